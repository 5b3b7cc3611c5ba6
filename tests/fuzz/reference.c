/* Names of images: the parts of what is accepted make the same name again, and hold nothing that
 * could lead elsewhere in a URL. */
#include "docker.h"
#include "fuzz.h"

static void check(const struct reference *reference)
{
    struct text whole = {0};
    struct reference again;
    struct orch_error error = {.size = sizeof error};
    if (reference->is_id) {
        PROMISE(reference->digest && !reference->name, "an id with a name");
        return;
    }
    PROMISE(reference->name && (reference->tag || reference->digest), "a part is missing");
    PROMISE(!strstr(reference->name, "..") && !strpbrk(reference->name, "?#%\\ \t\r\n@"),
            "in a URL, \"%s\" leads elsewhere", reference->name);
    text_format(&whole, "%s%s%s%s%s", reference->name, reference->tag ? ":" : "",
                reference->tag ? reference->tag : "", reference->digest ? "@" : "",
                reference->digest ? reference->digest : "");
    PROMISE(reference_parse(&again, str(text_string(&whole)), &error), "%s: %s",
            text_string(&whole), error.message);
    PROMISE(reference_same_name(again.name, reference->name), "%s is not %s", again.name,
            reference->name);
    reference_finish(&again);
    text_finish(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reference reference;
    struct orch_error error = {.size = sizeof error};
    if (reference_parse(&reference, (struct orch_str){(const char *)data, size}, &error))
        check(&reference);
    reference_finish(&reference);
    return 0;
}
