/* JSON as RFC 8259 has it, by the categories of JSONTestSuite (Seriot, "Parsing JSON is a
 * minefield"): what every parser must take, what every parser must refuse, and what it may do
 * either way, with what this one does. */
#include "thing.h"

struct json_case {
    const char *name, *text;
    size_t length;
};
#define CASE(name, text)                                                                           \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }
#define COUNT(cases) (sizeof(cases) / sizeof(cases)[0])

/* -- taken: as the value of a member -- */
static const struct json_case taken_values[] = {
    CASE("array of arrays", "[[]   ]"),
    CASE("empty array", "[]"),
    CASE("empty string in an array", "[\"\"]"),
    CASE("array that ends with a line feed", "[\"a\"]\n"),
    CASE("array of all kinds", "[null, 1, \"1\", {}, true, [], 1.5]"),
    CASE("array with leading space", " [1]"),
    CASE("array with nulls", "[1,null,null,null,2]"),
    CASE("array with trailing space", "[2] "),
    CASE("array with a space in it", "[ ]"),
    CASE("number", "123e65"),
    CASE("zero with exponent", "0e+1"),
    CASE("zero with small exponent", "0e1"),
    CASE("number after a space", " 4"),
    CASE("tiny negative fraction",
         "-0.00000000000000000000000000000000000000000000000000000000000000000000000000000001"),
    CASE("integer with exponent", "20e1"),
    CASE("minus zero", "-0"),
    CASE("negative integer", "-123"),
    CASE("negative one", "-1"),
    CASE("minus zero with fraction", "-0.0"),
    CASE("capital exponent", "1E22"),
    CASE("capital negative exponent", "1E-2"),
    CASE("capital positive exponent", "1E+2"),
    CASE("real exponent", "123e45"),
    CASE("fraction with exponent", "123.456e78"),
    CASE("negative exponent", "1e-2"),
    CASE("positive exponent", "1e+2"),
    CASE("simple integer", "123"),
    CASE("simple real", "123.456789"),
    CASE("largest integer", "9223372036854775807"),
    CASE("smallest integer", "-9223372036854775808"),
    CASE("largest exact double", "9007199254740993"),
    CASE("largest double", "1.7976931348623157e308"),
    CASE("one and two bytes escaped", "\"\\u0060\\u012a\\u12AB\""),
    CASE("surrogate pair", "\"\\uD801\\udc37\""),
    CASE("surrogate pairs", "\"\\ud83d\\ude39\\ud83d\\udc8d\""),
    CASE("all short escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    CASE("backslash before u0000", "\"\\\\u0000\""),
    CASE("escaped quote", "\"\\\"\""),
    CASE("comment within a string", "\"a/*b*/c/*d//e\""),
    CASE("escaped control character", "\"\\u0012\""),
    CASE("escaped noncharacter", "\"\\uFFFF\""),
    CASE("escaped noncharacters", "\"\\uDBFF\\uDFFF\""),
    CASE("escaped backspace by number", "\"\\u0008\""),
    CASE("escaped double quote by number", "\"\\u0022\""),
    CASE("escaped backslash by number", "\"\\u005C\""),
    CASE("escaped zero width space", "\"\\u200B\""),
    CASE("escaped invisible plus", "\"\\u2064\""),
    CASE("escaped U+FDD0", "\"\\uFDD0\""),
    CASE("escaped U+FFFE", "\"\\uFFFE\""),
    CASE("escaped U+1FFFE", "\"\\uD83F\\uDFFE\""),
    CASE("escaped U+10FFFE", "\"\\uDBFF\\uDFFE\""),
    CASE("string with a space", "\" \""),
    CASE("string of DEL", "\"a\x7f"
                          "a\""),
    CASE("two bytes of UTF-8", "\"\xc3\xa9\""),
    CASE("three bytes of UTF-8", "\"\xe2\x82\xac\""),
    CASE("four bytes of UTF-8", "\"\xf0\x9f\x98\xb9\""),
    CASE("last code point", "\"\xf4\x8f\xbf\xbf\""),
    CASE("noncharacter in UTF-8", "\"\xef\xbf\xbf\""),
    CASE("line separator", "\"\xe2\x80\xa8\""),
    CASE("paragraph separator", "\"\xe2\x80\xa9\""),
    CASE("byte order mark in a string", "\"\xef\xbb\xbf\""),
    CASE("pi", "\"\xcf\x80\""),
    CASE("right to left mark", "\"\xe2\x80\xae\""),
    CASE("unescaped slash", "\"a/b\""),
    CASE("mixed case hex", "\"\\uaBcD\""),
    CASE("true", "true"),
    CASE("false", "false"),
    CASE("null", "null"),
    CASE("empty object", "{}"),
    CASE("empty key", "{\"\":0}"),
    CASE("object in an object", "{\"a\":{\"b\":{}}}"),
    CASE("escaped key", "{\"\\u0061\\n\":1}"),
    CASE("same key at two levels", "{\"a\":{\"a\":1}}"),
    CASE("space of all kinds", " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n"),
};
/* -- taken: as the whole body -- */
static const struct json_case taken_bodies[] = {
    CASE("object", "{\"asd\":\"sdf\",\"dfg\":\"fgh\"}"),
    CASE("one member", "{\"asd\":\"sdf\"}"),
    CASE("nothing in it", "{}"),
    CASE("space around", " {} "),
    CASE("line feeds", "{\n\"a\": \"b\"\n}\n"),
    CASE("long strings",
         "{\"x\":[{\"id\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}],\"id\":\"xxxxxxxxx\"}"),
    CASE("extreme numbers", "{\"min\":-1.0e+28,\"max\":1.0e+28}"),
};

/* -- refused: as the value of a member -- */
static const struct json_case refused_values[] = {
    CASE("values without a comma", "[1 true]"),
    CASE("byte that is not UTF-8 in an array", "[a\xe5]"),
    CASE("colon in place of a comma", "[\"\": 1]"),
    CASE("comma after the array", "[\"\"],"),
    CASE("comma and number", "[,1]"),
    CASE("two commas", "[1,,2]"),
    CASE("two commas at the end", "[\"x\",,]"),
    CASE("closed twice", "[\"x\"]]"),
    CASE("comma at the end", "[\"\",]"),
    CASE("not closed", "[\"x\""),
    CASE("array in an array without comma", "[3[4]]"),
    CASE("byte that is not UTF-8", "[\xff]"),
    CASE("comma alone", "[,]"),
    CASE("minus alone in an array", "[-]"),
    CASE("comma in space", "[   , \"\"]"),
    CASE("not closed after a line feed", "[\"a\",\n4\n,1,"),
    CASE("number and comma", "[1,]"),
    CASE("star", "[*]"),
    CASE("not closed after a string", "[\"\""),
    CASE("not closed after a number", "[1,"),
    CASE("vertical tab", "[\"\va\"\\f]"),
    CASE("not finished word in an array", "[tru]"),
    CASE("nul", "nul"),
    CASE("fals", "fals"),
    CASE("tru", "tru"),
    CASE("True", "True"),
    CASE("NULL", "NULL"),
    CASE("two minus", "--1"),
    CASE("plus one", "+1"),
    CASE("plus plus", "++1234"),
    CASE("minus one point", "-1.0."),
    CASE("minus two point", "-2."),
    CASE("minus NaN", "-NaN"),
    CASE("point alone", "."),
    CASE("begins with a point", ".123"),
    CASE("begins with a point and exponent", ".2e-3"),
    CASE("0.1.2", "0.1.2"),
    CASE("0.3e", "0.3e"),
    CASE("0.3e+", "0.3e+"),
    CASE("0.e1", "0.e1"),
    CASE("0E", "0E"),
    CASE("0E+", "0E+"),
    CASE("0e", "0e"),
    CASE("0e+", "0e+"),
    CASE("1.0e", "1.0e"),
    CASE("1.0e-", "1.0e-"),
    CASE("1.0e+", "1.0e+"),
    CASE("1 000.0", "1 000.0"),
    CASE("1eE2", "1eE2"),
    CASE("2.e3", "2.e3"),
    CASE("2.e+3", "2.e+3"),
    CASE("2.e-3", "2.e-3"),
    CASE("9.e+", "9.e+"),
    CASE("Inf", "Inf"),
    CASE("NaN", "NaN"),
    CASE("Infinity", "Infinity"),
    CASE("-Infinity", "-Infinity"),
    CASE("minus with a space", "- 1"),
    CASE("minus and word", "-foo"),
    CASE("leading zero", "012"),
    CASE("negative leading zero", "-012"),
    CASE("double zero", "00"),
    CASE("hex digits", "0x1"),
    CASE("hex of two digits", "0x42"),
    CASE("octal", "0o17"),
    CASE("binary", "0b1"),
    CASE("underscore", "1_000"),
    CASE("ends with a letter", "1.2a-3"),
    CASE("ends with a big letter", "123L"),
    CASE("expression", "1+2"),
    CASE("full width digit", "\xef\xbc\x91"),
    CASE("invalid byte in a number", "123\xe5"),
    CASE("invalid byte after an exponent", "1e1\xe5"),
    CASE("real without fraction", "1."),
    CASE("real that ends with an exponent's e", "1.8011670033376514H-308"),
    CASE("one surrogate then escape u", "\"\\uD800\\u\""),
    CASE("one surrogate then u1", "\"\\uD800\\u1\""),
    CASE("one surrogate then u1x", "\"\\uD800\\u1x\""),
    CASE("accent without quotes", "\xc3\xa9"),
    CASE("escape of a zero byte", "\"\\\0\""),
    CASE("escape x", "\"\\x00\""),
    CASE("escape a", "\"\\a\""),
    CASE("escape v", "\"\\v\""),
    CASE("escape of a quote mark", "\"\\'\""),
    CASE("escaped capital U", "\"\\UA66D\""),
    CASE("escaped emoji", "\"\\\xf0\x9f\x8c\x80\""),
    CASE("escaped tab", "\"\\\t\""),
    CASE("escaped line feed", "\"\\\n\""),
    CASE("backslash at the end", "\"\\\""),
    CASE("three backslashes", "\"\\\\\\\""),
    CASE("escape u00", "\"\\u00\""),
    CASE("escape u00A", "\"\\u00A\""),
    CASE("escape uQQQQ", "\"\\uqqqq\""),
    CASE("incomplete surrogate", "\"\\uD834\\uDd\""),
    CASE("invalid backslash", "\"\\"),
    CASE("invalid UTF-8 after an escape", "\"\\u\xe5\""),
    CASE("invalid UTF-8 escaped", "\"\\\xe5\""),
    CASE("single quotes", "'single quote'"),
    CASE("no quotes", "abc"),
    CASE("one quote", "\""),
    CASE("line feed in a string", "\"new\nline\""),
    CASE("tab in a string", "\"\t\""),
    CASE("zero byte in a string", "\"a\0a\""),
    CASE("unit separator in a string", "\"\x1f\""),
    CASE("escape sequence of a terminal in a string", "\"\x1b[2J\""),
    CASE("string and letter", "\"a\"b"),
    CASE("unicode without quotes", "\\u0020"),
    CASE("two strings", "\"a\" \"b\""),
    CASE("string by plus", "\"a\"+\"b\""),
    CASE("bracket as a key", "{[: \"x\"}"),
    CASE("comma in place of a colon", "{\"x\", null}"),
    CASE("two colons", "{\"x\"::\"b\"}"),
    CASE("emoji without quotes", "{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}"),
    CASE("member and garbage", "{\"a\":\"a\" 123}"),
    CASE("key with single quotes", "{key: 'value'}"),
    CASE("key not UTF-8", "{\"\xb9\":\"0\",}"),
    CASE("no colon", "{\"a\" b}"),
    CASE("no value", "{\"a\":"),
    CASE("no key", "{:\"b\"}"),
    CASE("key of a number", "{1:1}"),
    CASE("key of a word", "{null:null,null:null}"),
    CASE("many commas at the end", "{\"id\":0,,,,,}"),
    CASE("quotes only", "{'a':0}"),
    CASE("comma at the end of an object", "{\"id\":0,}"),
    CASE("comment in an object", "{\"a\":\"b\"}/**/"),
    CASE("comment open at the end", "{\"a\":\"b\"}/**//"),
    CASE("line comment", "{\"a\":\"b\"}//"),
    CASE("half a line comment", "{\"a\":\"b\"}/"),
    CASE("two commas in an object", "{\"a\":\"b\",,\"c\":\"d\"}"),
    CASE("key without quotes", "{a: \"b\"}"),
    CASE("not ended value", "{\"a\":\"a"),
    CASE("key alone", "{ \"foo\" : \"bar\", \"a\" }"),
    CASE("hash after an object", "{\"a\":\"b\"}#"),
    CASE("space alone", " "),
    CASE("angle brackets", "<null>"),
    CASE("closed by the wrong one", "[1}"),
    CASE("object closed by an array's", "{\"x\": true]"),
    CASE("form feed as space", "[\f]"),
    CASE("word joiner as space", "[\xe2\x81\xa0]"),
    CASE("no-break space as space", "[\xc2\xa0]"),
    CASE("double array", "[][]"),
    CASE("open array and object", "[{"),
    CASE("array with an open object", "[{\"\":[{\"\":"),
    CASE("capital true", "[TRUE]"),
    CASE("ascii in place of a value", "asd"),
    CASE("undefined", "undefined"),
};
/* -- refused: as the whole body -- */
static const struct json_case refused_bodies[] = {
    CASE("nothing", ""),
    CASE("space", " "),
    CASE("byte order mark", "\xef\xbb\xbf"),
    CASE("byte order mark and object", "\xef\xbb\xbf{}"),
    CASE("half a byte order mark", "\xef\xbb{}"),
    CASE("zero byte", "\0"),
    CASE("object and zero byte", "{}\0"),
    CASE("zero byte and object", "\0{}"),
    CASE("UTF-16, little end first", "{\0}\0"),
    CASE("UTF-16, big end first", "\0{\0}"),
    CASE("object and garbage", "{\"a\": true} \"x\""),
    CASE("two objects", "{}{}"),
    CASE("object closed twice", "{}}"),
    CASE("closed before it is open", "}"),
    CASE("array closed before", "]{}"),
    CASE("open only", "{"),
    CASE("open with a comma", "{,"),
    CASE("open array", "{\"a\":["),
    CASE("open string", "{\"a"),
    CASE("end of transmission", "{}\x04"),
    CASE("comment before", "/* x */{}"),
    CASE("lone backslash", "{\"a\":1}\\"),
    CASE("single byte that is not UTF-8", "\xe5"),
    CASE("record separator before", "\x1e{}"),
    CASE("number", "5"),
    CASE("string", "\"x\""),
    CASE("word", "null"),
    CASE("array", "[]"),
    CASE("duplicate key", "{\"a\":\"b\",\"a\":\"c\"}"),
    CASE("duplicate key and value", "{\"a\":\"b\",\"a\":\"b\"}"),
    CASE("duplicate key, one escaped", "{\"a\":1,\"\\u0061\":2}"),
    CASE("duplicate key in a member", "{\"x\":[{\"a\":1,\"a\":1}]}"),
    CASE("zero byte in a key, escaped", "{\"foo\\u0000bar\": 42}"),
    CASE("zero byte in a value, escaped", "{\"a\":\"\\u0000\"}"),
};

/* -- left open by RFC 8259: refused here, because nothing that was sent may be changed unseen -- */
static const struct json_case refused_choices[] = {
    CASE("integer of more than 64 bits", "100000000000000000000"),
    CASE("negative integer of more than 64 bits", "-123123123123123123123123123123"),
    CASE("one above the largest integer", "9223372036854775808"),
    CASE("exponent beyond a double", "0.4e006699999999999999999999999999999999999999999999"),
    CASE("infinite", "1e9999"),
    CASE("negative infinite", "-1e9999"),
    CASE("real beyond a double", "-237462374673276894279832749832423479823246327846e99999"),
    CASE("first surrogate alone", "\"\\uDADA\""),
    CASE("first surrogate and a letter", "\"\\uD888\\u1234\""),
    CASE("second surrogate alone", "\"\\uDFAA\""),
    CASE("surrogates the wrong way round", "\"\\uDd1e\\uD834\""),
    CASE("two first surrogates", "\"\\uD800\\uD800\\n\""),
    CASE("surrogate and abc", "\"\\ud800abc\""),
    CASE("surrogate in UTF-8", "\"\xed\xa0\x80\""),
    CASE("overlong of two bytes", "\"\xc0\xaf\""),
    CASE("overlong of three bytes", "\"\xe0\x80\xaf\""),
    CASE("overlong of four bytes", "\"\xf0\x80\x80\xaf\""),
    CASE("overlong of six bytes", "\"\xfc\x80\x80\x80\x80\xaf\""),
    CASE("above the last code point", "\"\xf4\xbf\xbf\xbf\""),
    CASE("five bytes", "\"\xfb\xbf\xbf\xbf\xbf\""),
    CASE("continuation alone", "\"\x81\""),
    CASE("cut sequence", "\"\xe0\xff\""),
    CASE("cut at the end", "\"\xe2\x82\""),
    CASE("Latin-1", "\"\xe9\""),
    CASE("invalid byte", "\"\xff\""),
    CASE("modified UTF-8 of zero", "\"\xc0\x80\""),
};
/* -- left open: taken here -- */
static const struct json_case taken_choices[] = {
    CASE("real that becomes zero", "123e-10000000"),
    CASE("real with more digits than a double", "0.12345678901234567890123456789"),
    CASE("smallest denormal", "5e-324"),
    CASE("exponent with leading zeros", "1e0001"),
};

static void wrap(const struct json_case *value, struct text *body)
{
    text_clear(body);
    text_append_string(body, "{\"v\":");
    text_append(body, value->text, value->length);
    text_append_char(body, '}');
}

static void expect(const char *name, const char *body, size_t length, bool taken)
{
    json_t *value = NULL;
    struct error error = {0};
    bool was_taken = schema_parse_body(body, length, 32, &value, &error);
    cr_expect_eq(was_taken, taken, "%s: <%s> %s", name, body, error.message);
    cr_expect_eq(was_taken, value != NULL, "%s", name);
    if (!was_taken) {
        cr_expect_eq(error.code, ERROR_VALIDATION, "%s", name);
        cr_expect(text_is_utf8(error.message, strlen(error.message)), "%s", name);
        cr_expect_not(strpbrk(error.message, "\x1b\r\n\t\x7f"), "%s: %s", name, error.message);
    }
    json_decref(value);
}

static void expect_values(const struct json_case *cases, size_t count, bool taken)
{
    CLEANUP(text_finish) struct text body = {0};
    for (size_t i = 0; i < count; i++) {
        wrap(&cases[i], &body);
        expect(cases[i].name, body.data, body.length, taken);
    }
}

static void expect_bodies(const struct json_case *cases, size_t count, bool taken)
{
    for (size_t i = 0; i < count; i++)
        expect(cases[i].name, cases[i].text, cases[i].length, taken);
}

Test(json, what_the_rfc_allows_is_taken)
{
    expect_values(taken_values, COUNT(taken_values), true);
    expect_bodies(taken_bodies, COUNT(taken_bodies), true);
}

Test(json, what_the_rfc_forbids_is_refused)
{
    expect_values(refused_values, COUNT(refused_values), false);
    expect_bodies(refused_bodies, COUNT(refused_bodies), false);
}

Test(json, what_the_rfc_leaves_open_is_refused_unless_nothing_is_lost_but_precision)
{
    expect_values(refused_choices, COUNT(refused_choices), false);
    expect_values(taken_choices, COUNT(taken_choices), true);
}

Test(json, nesting_beyond_the_limit_is_refused_at_any_length)
{
    CLEANUP(text_finish) struct text body = {0};
    for (int i = 0; i < 100000; i++)
        text_append_string(&body, "{\"\":");
    expect("100,000 open objects", body.data, body.length, false);
    text_clear(&body);
    for (int i = 0; i < 500; i++)
        text_append_char(&body, '[');
    for (int i = 0; i < 500; i++)
        text_append_char(&body, ']');
    expect("500 arrays", body.data, body.length, false);
}
