"""The rules of RFC 9112 (HTTP/1.1) and RFC 9110, section by section, on the API's port: what must be
refused is refused or ended, is never carried out, and nothing behind it is taken for a request."""
import re

import pytest

from harness.rawhttp import exchange

TARGET = b"/api/v1/whoami"
REFUSED = (400, 403, 404, 405, 408, 411, 413, 414, 415, 417, 426, 431, 501, 505)
SERVED = b'"role"'


def asked(daemon, *lines, first=b"GET " + TARGET + b" HTTP/1.1", host=b"Host: 127.0.0.1"):
    """A right request, but for `lines` and what replaces its first two."""
    fields = [first, host, b"X-API-Key: " + daemon.key.encode(), *lines]
    return b"\r\n".join(field for field in fields if field is not None) + b"\r\n\r\n"


def expect_refusal(answer):
    assert SERVED not in answer.data, f"it was carried out: {answer}"
    # libmicrohttpd 0.9.75 puts the head of its own refusal before itself once more.
    assert len(set(answer.statuses)) <= 1, f"what follows was answered as well: {answer}"
    assert answer.status in REFUSED or (answer.status is None and answer.closed), answer


REQUEST_LINES = {  # RFC 9112 section 3
    "two spaces before the version": b"GET /api/v1/whoami  HTTP/1.1",
    "space at the end": b"GET /api/v1/whoami HTTP/1.1 ",
    "space at the beginning": b" GET /api/v1/whoami HTTP/1.1",
    "tab before the target": b"GET\t/api/v1/whoami HTTP/1.1",
    "tab before the version": b"GET /api/v1/whoami\tHTTP/1.1",
    "carriage return before the version": b"GET /api/v1/whoami\rHTTP/1.1",
    "carriage return within": b"GET /api/v1/who\rami HTTP/1.1",
    "vertical tab as space": b"GET\v/api/v1/whoami\vHTTP/1.1",
    "space within the target": b"GET /api/v1/who ami HTTP/1.1",
    "no target": b"GET HTTP/1.1",
    "method alone": b"GET",
    "target alone": b"/api/v1/whoami",
    "no version": b"GET /api/v1/whoami",
    "version alone": b"HTTP/1.1",
    "method in small letters": b"get /api/v1/whoami HTTP/1.1",
    "method with a colon": b"GE:T /api/v1/whoami HTTP/1.1",
    "method of brackets": b"(GET) /api/v1/whoami HTTP/1.1",
    "method not ASCII": b"G\xc3\x8bT /api/v1/whoami HTTP/1.1",
    "method with a zero byte": b"GE\0T /api/v1/whoami HTTP/1.1",
    "version in small letters": b"GET /api/v1/whoami http/1.1",
    "version of three parts": b"GET /api/v1/whoami HTTP/1.1.1",
    "version without a point": b"GET /api/v1/whoami HTTP/11",
    "version of one number": b"GET /api/v1/whoami HTTP/1",
    "version of two digits": b"GET /api/v1/whoami HTTP/1.10",
    "version with leading zeros": b"GET /api/v1/whoami HTTP/01.1",
    "version with a space": b"GET /api/v1/whoami HTTP/ 1.1",
    "version with a comma": b"GET /api/v1/whoami HTTP/1,1",
    "version of letters": b"GET /api/v1/whoami HTTP/a.b",
    "version negative": b"GET /api/v1/whoami HTTP/-1.1",
    "HTTP/0.9": b"GET /api/v1/whoami HTTP/0.9",
    "HTTP/2.0": b"GET /api/v1/whoami HTTP/2.0",
    "HTTP/3.0": b"GET /api/v1/whoami HTTP/3.0",
    "another protocol": b"GET /api/v1/whoami RTSP/1.0",
    "HTTPS as version": b"GET /api/v1/whoami HTTPS/1.1",
    "fragment": b"GET /api/v1/whoami#here HTTP/1.1",
    "zero byte in the target": b"GET /api/v1/who\0ami HTTP/1.1",
    "target cut by a zero byte": b"GET /api/v1/whoami\0 HTTP/1.1",
    "byte above 127 in the target": b"GET /api/v1/whoami\xff HTTP/1.1",
    "backslashes": b"GET \\api\\v1\\whoami HTTP/1.1",
    "no slash": b"GET api/v1/whoami HTTP/1.1",
    "asterisk form of GET": b"GET * HTTP/1.1",
    "authority form of GET": b"GET 127.0.0.1:80 HTTP/1.1",
    "tunnel": b"CONNECT 127.0.0.1:80 HTTP/1.1",
    "absolute form of another scheme": b"GET ftp://127.0.0.1/api/v1/whoami HTTP/1.1",
    "absolute form without authority": b"GET http:/api/v1/whoami HTTP/1.1",
    "answer in place of a request": b"HTTP/1.1 200 OK",
}


@pytest.mark.parametrize("line", REQUEST_LINES.values(), ids=REQUEST_LINES.keys())
def test_a_request_line_out_of_form_is_refused(shared, line):
    expect_refusal(exchange(shared.port, asked(shared, first=line), within=8))


FIELDS = {  # RFC 9112 section 5, RFC 9110 sections 5.5 and 5.6
    "space before the colon": b"X-Some : 1",
    "tab before the colon": b"X-Some\t: 1",
    "no colon": b"X-Some",
    "empty name": b": 1",
    "space as name": b" : 1",
    "folded over two lines": b"X-Some: 1\r\n more",
    "folded by a tab": b"X-Some: 1\r\n\tmore",
    "space within the name": b"X So: 1",
    "bracket in the name": b"X[0]: 1",
    "slash in the name": b"X/Y: 1",
    "quote in the name": b'X"Y: 1',
    "at sign in the name": b"X@Y: 1",
    "name not ASCII": b"X-\xc3\xa4: 1",
    "zero byte in the name": b"X-\0Some: 1",
    "zero byte in the value": b"X-Some: a\0b",
    "zero byte at the value's end": b"X-Some: a\0",
    "folded below nothing": b"X-Some:\r\n more",
    "folded twice": b"X-Some: 1\r\n more\r\n and more",
    "carriage return in the value": b"X-Some: a\rb",
    "carriage return and a field": b"X-Some: a\rX-Other: b",
    "escape in the value": b"X-Some: a\x1bb",
    "bell in the value": b"X-Some: \x07",
    "DEL in the value": b"X-Some: a\x7fb",
    "DEL in the name": b"X-\x7f: b",
}


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
def test_a_field_out_of_form_is_refused(shared, field):
    expect_refusal(exchange(shared.port, asked(shared, field), within=8))


def test_the_last_field_is_held_to_the_same_rules(shared):
    for field in (b"X-Some: 1\r\n more", b"X-Some: a\0b", b"X-Some: \0", b": 1", b"\0"):
        expect_refusal(exchange(shared.port, asked(shared)[:-2] + field + b"\r\n\r\n", within=8))


def test_a_head_of_any_length_is_walked_over_to_its_end(shared):
    """libmicrohttpd's memory grows in between, and a second request begins where the first ended."""
    for count in (1, 50, 90):
        fields = [b"X-%d: %b" % (number, b"a" * 150) for number in range(count)]
        pair = asked(shared, *fields) + asked(shared, *fields, b"Connection: close")
        answer = exchange(shared.port, pair, enough=None)
        assert answer.statuses == [200, 200], answer
        expect_refusal(exchange(shared.port, asked(shared, *fields, b"X-Some: 1\r\n more"), within=8))


def test_space_before_the_first_field_is_refused(shared):
    """RFC 9112 section 2.2: it may hide a field from one reader and not from another."""
    for white in (b" ", b"\t"):
        expect_refusal(exchange(shared.port, asked(shared, host=white + b"Host: 127.0.0.1"), within=8))


HOSTS = {  # RFC 9112 section 3.2
    "none": [None],
    "empty": [b"Host:"],
    "two that agree": [b"Host: 127.0.0.1", b"Host: 127.0.0.1"],
    "two that differ": [b"Host: 127.0.0.1", b"Host: evil.example"],
    "two in one": [b"Host: 127.0.0.1, evil.example"],
    "with a path": [b"Host: 127.0.0.1/x"],
    "with a user": [b"Host: evil@127.0.0.1"],
    "with a space": [b"Host: 127.0.0.1 evil.example"],
    "with a scheme": [b"Host: http://127.0.0.1"],
    "port of letters": [b"Host: 127.0.0.1:abc"],
    "bracket open": [b"Host: [::1"],
    "letters behind the bracket": [b"Host: [::1]x"],
    "port of letters behind the bracket": [b"Host: [::1]:8x"],
    "stranger": [b"Host: evil.example"],
    "name of ours within another": [b"Host: localhost.evil.example"],
}


@pytest.mark.parametrize("lines", HOSTS.values(), ids=HOSTS.keys())
def test_a_host_out_of_form_is_refused(shared, lines):
    expect_refusal(exchange(shared.port, asked(shared, *lines[1:], host=lines[0]), within=8))


POST = b"POST /api/v1/deployments HTTP/1.1"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
CODINGS = {  # RFC 9112 sections 6 and 7
    "identity": b"Transfer-Encoding: identity",
    "chunked twice": b"Transfer-Encoding: chunked, chunked",
    "chunked in two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "chunked first": b"Transfer-Encoding: chunked, identity",
    "gzip, then chunked": b"Transfer-Encoding: gzip, chunked",
    "empty": b"Transfer-Encoding:",
    "comma before": b"Transfer-Encoding: , chunked",
    "quoted": b'Transfer-Encoding: "chunked"',
    "with a parameter": b"Transfer-Encoding: chunked;x=1",
    "almost": b"Transfer-Encoding: xchunked",
    "long s": b"Transfer-Encoding: chun\xc5\xbfed",
    "vertical tab before": b"Transfer-Encoding: \vchunked",
    "zero byte behind": b"Transfer-Encoding: chunked\0",
    "folded": b"Transfer-Encoding:\r\n chunked",
    "tab before the colon": b"Transfer-Encoding\t: chunked",
    "underscore": b"Transfer_Encoding: chunked\r\nContent-Length: x",
    "length of blanks": b"Content-Length: 2 2",
    "same length twice": b"Content-Length: 2\r\nContent-Length: 2",
    "same length in a list": b"Content-Length: 2, 2",
    "length with leading zeros": b"Content-Length: 0000000000000000000000002x",
    "octal length": b"Content-Length: 0o2",
    "length of a fraction": b"Content-Length: 2.0",
    "length of full width": b"Content-Length: \xef\xbc\x92",
    "length folded": b"Content-Length:\r\n 2",
}
BEHIND = b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: %b\r\n\r\n"


@pytest.mark.parametrize("field", CODINGS.values(), ids=CODINGS.keys())
@pytest.mark.parametrize("body", (b"{}", b"2\r\n{}\r\n0\r\n\r\n"), ids=("plain", "chunks"))
def test_after_a_body_of_doubtful_end_nothing_is_read(shared, field, body):
    request = asked(shared, JSON, field, first=POST) + body + BEHIND % shared.key.encode()
    answer = exchange(shared.port, request, within=8, enough=None)
    expect_refusal(answer)
    assert answer.closed, "the connection stayed open"


CHUNKS = {  # RFC 9112 section 7.1: each would be {} to a lenient reader
    "space before the size": b" 2\r\n{}\r\n0\r\n\r\n",
    "plus sign": b"+2\r\n{}\r\n0\r\n\r\n",
    "hex prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
    "underscore": b"0_2\r\n{}\r\n0\r\n\r\n",
    "comma": b"2,0\r\n{}\r\n0\r\n\r\n",
    "no size": b"\r\n{}\r\n0\r\n\r\n",
    "extension without size": b";x=1\r\n{}\r\n0\r\n\r\n",
    "data longer than its size": b"1\r\n{}\r\n0\r\n\r\n",
    "no end of the data": b"2\r\n{}0\r\n\r\n",
    "zero byte in the size": b"2\0\r\n{}\r\n0\r\n\r\n",
    "full width digit": b"\xef\xbc\x92\r\n{}\r\n0\r\n\r\n",
    "letters behind the size": b"2x\r\n{}\r\n0\r\n\r\n",
    "seventeen digits": b"00000000000000002g\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_chunk_out_of_form_is_refused(shared, chunks):
    request = asked(shared, JSON, CHUNKED, first=POST) + chunks + BEHIND % shared.key.encode()
    answer = exchange(shared.port, request, within=8, enough=None)
    expect_refusal(answer)
    assert b"VALIDATION_FAILED" not in answer.data or b"malformed" in answer.data, \
        f"the body was read: {answer}"


def test_chunks_need_http_1_1(shared):
    request = asked(shared, JSON, CHUNKED, first=POST.replace(b"1.1", b"1.0")) + b"0\r\n\r\n"
    answer = exchange(shared.port, request + BEHIND % shared.key.encode(), within=8, enough=None)
    expect_refusal(answer)
    assert answer.closed


FINE = {
    "plain": asked,
    "two spaces before the target": lambda daemon: asked(daemon, first=b"GET  /api/v1/whoami HTTP/1.1"),
    "line feeds alone": lambda daemon: asked(daemon).replace(b"\r\n", b"\n"),
    "port behind the host": lambda daemon: asked(daemon, host=b"Host: localhost:8"),
    "IPv6 and a port": lambda daemon: asked(daemon, host=b"Host: [::1]:8080"),
    "empty line before": lambda daemon: b"\r\n" + asked(daemon),
    "HTTP/1.0 without a host": lambda daemon: asked(
        daemon, first=b"GET /api/v1/whoami HTTP/1.0", host=None),
    "absolute form": lambda daemon: asked(daemon, first=b"GET http://127.0.0.1/api/v1/whoami HTTP/1.1"),
    "name in capitals": lambda daemon: asked(daemon, host=b"HOST: 127.0.0.1"),
    "no space behind the colon": lambda daemon: asked(daemon, host=b"Host:127.0.0.1"),
    "space around the value": lambda daemon: asked(daemon, b"X-Some: \t a \t"),
    "empty value": lambda daemon: asked(daemon, b"X-Some:"),
    "bytes above 127 in a value": lambda daemon: asked(daemon, b"X-Some: \xe4"),
    "query": lambda daemon: asked(daemon, first=b"GET /api/v1/whoami? HTTP/1.1"),
    "length of nothing": lambda daemon: asked(daemon, b"Content-Length: 0"),
    "every character of a token": lambda daemon: asked(daemon, b"!#$%&'*+-.^_`|~09azAZ: 1"),
}


@pytest.mark.parametrize("request_of", FINE.values(), ids=FINE.keys())
def test_what_the_rules_allow_is_served(shared, request_of):
    answer = exchange(shared.port, request_of(shared), enough=lambda data: SERVED in data)
    assert answer.status == 200 and SERVED in answer.data, answer


BODIES = {
    "extension": b"2;name=value\r\n{}\r\n0\r\n\r\n",
    "size in capitals and zeros": b"0002\r\n{}\r\n000\r\n\r\n",
    "two chunks": b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "trailer": b"2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n",
}


@pytest.mark.parametrize("chunks", BODIES.values(), ids=BODIES.keys())
def test_chunks_within_the_rules_are_one_body_and_the_next_request_follows(shared, chunks):
    request = asked(shared, JSON, CHUNKED, first=POST) + chunks + BEHIND % shared.key.encode()
    answer = exchange(shared.port, request, enough=lambda data: SERVED in data)
    assert answer.statuses == [400, 200], answer
    assert b"VALIDATION_FAILED" in answer.data


def test_a_trailer_is_no_header(shared):
    """RFC 9110 section 6.5.1: what comes behind the body changes nothing before it."""
    body = b"2\r\n{}\r\n0\r\nX-API-Key: " + shared.key.encode() + b"\r\n\r\n"
    request = POST + b"\r\nHost: 127.0.0.1\r\n" + JSON + b"\r\n" + CHUNKED + b"\r\n\r\n" + body
    answer = exchange(shared.port, request)
    assert answer.status == 401, answer


@pytest.mark.parametrize("tokens, closed", ((b"close", True), (b"Close", True), (b"x, close", True),
                                            (b"keep-alive", False)))
def test_connection_close_is_kept_to(shared, tokens, closed):
    request = asked(shared, b"Connection: " + tokens) + asked(shared, b"Connection: close")
    answer = exchange(shared.port, request, enough=None)
    assert answer.statuses == ([200] if closed else [200, 200]) and answer.closed, answer


def test_http_1_0_closes_unless_asked_to_stay(shared):
    answer = exchange(shared.port, asked(shared, first=b"GET /api/v1/whoami HTTP/1.0"), enough=None)
    assert answer.status == 200 and answer.closed, answer


def test_an_answer_to_head_has_no_body_and_the_next_one_follows(shared):
    request = asked(shared, first=b"HEAD /api/v1/whoami HTTP/1.1") + asked(shared, b"Connection: close")
    answer = exchange(shared.port, request, enough=None)
    assert len(answer.statuses) == 2 and answer.statuses[1] == 200, answer
    assert re.search(rb"\r\n\r\nHTTP/1.1 200", answer.data), "the answer to HEAD has a body"


def test_an_unknown_expectation_is_no_reason_to_hang(shared):
    request = asked(shared, JSON, b"Content-Length: 2", b"Expect: 200-ok", first=POST) + b"{}"
    answer = exchange(shared.port, request)
    assert answer.status in (400, 417), answer


def test_an_upgrade_that_is_not_ours_is_passed_over(shared):
    answer = exchange(shared.port, asked(shared, b"Connection: Upgrade, HTTP2-Settings",
                                         b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
                      enough=lambda data: SERVED in data)
    assert answer.status == 200, answer
