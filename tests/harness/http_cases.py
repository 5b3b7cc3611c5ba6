"""Requests that a server or a proxy must not misread, by the names under which the public checklist
Http11Probe has them. A case is a name, the answers that are right, and the bytes.

Right answers: a status ("400", "2xx"), "close" (the connection ends without one), "waits" (for
the rest), "not-101", "not-1xx"; of a 200 also "ends" (so does the connection), "date", "type"
and "allow"."""

COMPLIANCE = (
    ("COMP-BASELINE", "2xx", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("RFC9112-2.2-BARE-LF-REQUEST-LINE", "400 close 2xx", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("RFC9112-2.2-BARE-LF-HEADER", "400 close 2xx",
     b"GET / HTTP/1.1\r\nHost: a\nX-Test: value\r\n\r\n"),
    ("RFC9112-5.1-OBS-FOLD", "400",
     b"GET / HTTP/1.1\r\nHost: a\r\nX-Test: value\r\n continued\r\n\r\n"),
    ("RFC9110-5.6.2-SP-BEFORE-COLON", "400",
     b"GET / HTTP/1.1\r\nHost: a\r\nX-Test : value\r\n\r\n"),
    ("RFC9112-3-MULTI-SP-REQUEST-LINE", "400 2xx", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("RFC9112-7.1-MISSING-HOST", "400", b"GET / HTTP/1.1\r\n\r\n"),
    ("RFC9112-2.3-INVALID-VERSION", "400 505 close", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
    ("RFC9112-5-EMPTY-HEADER-NAME", "400 close",
     b"GET / HTTP/1.1\r\nHost: a\r\n: empty-name\r\n\r\n"),
    ("RFC9112-3-CR-ONLY-LINE-ENDING", "400", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    ("RFC9112-3-MISSING-TARGET", "400 close", b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("RFC9112-3.2-FRAGMENT-IN-TARGET", "400 2xx", b"GET /path#frag HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("RFC9112-2.3-HTTP09-REQUEST", "400 close waits", b"GET /\r\n"),
    ("RFC9112-5-INVALID-HEADER-NAME", "400 close",
     b"GET / HTTP/1.1\r\nHost: a\r\nBad[Name: value\r\n\r\n"),
    ("RFC9112-5-HEADER-NO-COLON", "400 close",
     b"GET / HTTP/1.1\r\nHost: a\r\nNoColonHere\r\n\r\n"),
    ("RFC9110-5.4-DUPLICATE-HOST", "400",
     b"GET / HTTP/1.1\r\nHost: a\r\nHost: other.example.com\r\n\r\n"),
    ("RFC9112-6.1-CL-NON-NUMERIC", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n"),
    ("RFC9112-6.1-CL-PLUS-SIGN", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    ("COMP-WHITESPACE-BEFORE-HEADERS", "400 close", b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"),
    ("COMP-DUPLICATE-HOST-SAME", "400", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("COMP-HOST-WITH-USERINFO", "400 close", b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
    ("COMP-HOST-WITH-PATH", "400 close", b"GET / HTTP/1.1\r\nHost: a/path\r\n\r\n"),
    ("COMP-ASTERISK-WITH-GET", "400 close", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-OPTIONS-STAR", "2xx", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-UNKNOWN-TE-501", "400 501 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("COMP-LEADING-CRLF", "400 2xx", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-ABSOLUTE-FORM", "2xx 400", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-METHOD-CASE", "400 405 501 2xx", b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-POST-CL-BODY", "2xx", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("COMP-POST-CL-ZERO", "2xx", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    ("COMP-POST-NO-CL-NO-TE", "2xx", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-POST-CL-UNDERSEND", "400 close waits",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"),
    ("COMP-CHUNKED-BODY", "2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\n\r\n"),
    ("COMP-CHUNKED-MULTI", "2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"6\r\n world\r\n0\r\n\r\n"),
    ("COMP-CHUNKED-EMPTY", "2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("COMP-CHUNKED-NO-FINAL", "400 close waits",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("COMP-UPGRADE-POST", "not-101",
     b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
     b"\r\n"),
    ("COMP-UPGRADE-MISSING-CONN", "not-101",
     b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
     b"\r\n"),
    ("COMP-UPGRADE-UNKNOWN", "not-101",
     b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
     b"Upgrade: totally-made-up/1.0\r\n\r\n"),
    ("COMP-METHOD-CONNECT", "400 405 501 close",
     b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
    ("COMP-EXPECT-UNKNOWN", "417 2xx", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
    ("COMP-GET-WITH-CL-BODY", "400 2xx",
     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("COMP-CHUNKED-EXTENSION", "2xx 400",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=value\r\n"
     b"hello\r\n0\r\n\r\n"),
    ("COMP-UPGRADE-INVALID-VER", "not-101",
     b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99\r\n"
     b"\r\n"),
    ("COMP-METHOD-TRACE", "405 501 2xx", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-HOST-EMPTY-VALUE", "400 close", b"GET / HTTP/1.1\r\nHost: \r\n\r\n"),
    ("COMP-REQUEST-LINE-TAB", "400 2xx", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-VERSION-MISSING-MINOR", "400 close", b"GET / HTTP/1\r\nHost: a\r\n\r\n"),
    ("COMP-VERSION-LEADING-ZEROS", "400 close", b"GET / HTTP/01.01\r\nHost: a\r\n\r\n"),
    ("COMP-VERSION-WHITESPACE", "400 close", b"GET / HTTP/ 1.1\r\nHost: a\r\n\r\n"),
    ("COMP-CONNECTION-CLOSE", "2xx ends",
     b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    ("COMP-HTTP10-DEFAULT-CLOSE", "2xx ends", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    ("COMP-HTTP10-NO-HOST", "400 2xx", b"GET / HTTP/1.0\r\n\r\n"),
    ("COMP-HTTP12-VERSION", "2xx 505", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("COMP-TRACE-WITH-BODY", "400 405 2xx",
     b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("COMP-CHUNKED-TRAILER-VALID", "2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\nX-Checksum: abc\r\n\r\n"),
    ("COMP-CHUNKED-HEX-UPPERCASE", "2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n"
     b"helloworld\r\n0\r\n\r\n"),
    ("COMP-RANGE-POST", "2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nRange: bytes=0-10\r\n\r\n"
     b"hello"),
    ("COMP-UPGRADE-HTTP10", "not-101",
     b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
     b"\r\n"),
    ("COMP-HEAD-NO-BODY", "2xx", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-UNKNOWN-METHOD", "400 405 501 close", b"FOOBAR / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-405-ALLOW", "allow", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-DATE-HEADER", "date", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-DATE-FORMAT", "date", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-NO-1XX-HTTP10", "not-1xx",
     b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
     b"hello"),
    ("COMP-NO-CL-IN-204", "204", b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-OPTIONS-ALLOW", "allow", b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-CONTENT-TYPE", "type", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-VERSION-CASE", "400 close", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-LONG-URL-OK", "2xx", b"GET /" + b"a" * 7900 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-SPACE-IN-TARGET", "400 close", b"GET /pa th HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("COMP-DUPLICATE-CT", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n"
     b"Content-Type: text/html\r\n\r\nhello"),
    ("COMP-TRACE-SENSITIVE", "405 501 2xx",
     b"TRACE / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret-token-123\r\n\r\n"),
    ("COMP-RANGE-INVALID", "2xx 416",
     b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=abc-xyz\r\n\r\n"),
    ("COMP-ACCEPT-NONSENSE", "406 2xx",
     b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/x-nonsense\r\n\r\n"),
    ("COMP-POST-UNSUPPORTED-CT", "415 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
     b"Content-Type: application/x-nonsense\r\n\r\nhello"),
)

SMUGGLING = (
    ("SMUG-CL-TE-BOTH", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n"
     b"Transfer-Encoding: chunked\r\n\r\nD\r\nhello-bananas\r\n0\r\n\r\n"),
    ("SMUG-DUPLICATE-CL", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 10\r\n\r\n"
     b"helloworld"),
    ("SMUG-CL-LEADING-ZEROS", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello"),
    ("SMUG-TE-XCHUNKED", "400 501 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-TRAILING-SPACE", "400 501 2xx close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-SP-BEFORE-COLON", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CL-NEGATIVE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    ("SMUG-CLTE-PIPELINE", "400 close 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("SMUG-TECL-PIPELINE", "400 close 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
     b"Content-Length: 30\r\n\r\n0\r\n\r\n"),
    ("SMUG-CL-TRAILING-SPACE", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 \r\n\r\nhello"),
    ("SMUG-TE-DOUBLE-CHUNKED", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CL-EXTRA-LEADING-SP", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  5\r\n\r\nhello"),
    ("SMUG-TE-CASE-MISMATCH", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CL-COMMA-DIFFERENT", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 10\r\n\r\nhello"),
    ("SMUG-TE-NOT-FINAL-CHUNKED", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("SMUG-TE-HTTP10", "400 close",
     b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CHUNK-BARE-SEMICOLON", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n"
     b"0\r\n\r\n"),
    ("SMUG-CHUNK-EXT-INVALID-TOKEN", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;bad[=x\r\n"
     b"hello\r\n0\r\n\r\n"),
    ("SMUG-BARE-CR-HEADER-VALUE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Test: val\rue\r\n\r\nhello"),
    ("SMUG-CL-OCTAL", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0o5\r\n\r\nhello"),
    ("SMUG-CHUNK-UNDERSCORE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n"
     b"hello world!!!!!\r\n0\r\n\r\n"),
    ("SMUG-TE-EMPTY-VALUE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\nContent-Length: 5\r\n\r\n"
     b"hello"),
    ("SMUG-TE-LEADING-COMMA", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-DUPLICATE-HEADERS", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
     b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
    ("SMUG-CHUNK-HEX-PREFIX", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n"
     b"hello\r\n0\r\n\r\n"),
    ("SMUG-CHUNK-SIZE-PLUS", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n"
     b"0\r\n\r\n"),
    ("SMUG-CHUNK-SIZE-TRAILING-OWS", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n"
     b"0\r\n\r\n"),
    ("SMUG-CL-HEX-PREFIX", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("SMUG-CL-INTERNAL-SPACE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\nhello12345"),
    ("SMUG-CHUNK-LEADING-SP", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n"
     b"0\r\n\r\n"),
    ("SMUG-CHUNK-MISSING-TRAILING-CRLF", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n"
     b"\r\n"),
    ("SMUG-CHUNK-EXT-LF", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n"
     b"0\r\n\r\n"),
    ("SMUG-CHUNK-SPILL", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
     b"hello!!\r\n0\r\n\r\n"),
    ("SMUG-CHUNK-LF-TERM", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
     b"hello\n0\r\n\r\n"),
    ("SMUG-CHUNK-EXT-CTRL", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\x00ext\r\n"
     b"hello\r\n0\r\n\r\n"),
    ("SMUG-CHUNK-EXT-CR", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rX\r\n"
     b"hello\r\n0\r\n\r\n"),
    ("SMUG-TE-VTAB", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-FORMFEED", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0cchunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-NULL", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\x00\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CHUNK-LF-TRAILER", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\n\n"),
    ("SMUG-TE-IDENTITY", "400 501 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CHUNK-NEGATIVE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n"
     b"0\r\n\r\n"),
    ("SMUG-TRANSFER_ENCODING", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-CL-COMMA-SAME", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("SMUG-CL-COMMA-TRIPLE", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5, 5\r\n\r\nhello"),
    ("SMUG-CHUNKED-WITH-PARAMS", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;ext=val\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-EXPECT-100-CL", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
     b"hello"),
    ("SMUG-TRAILER-CL", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\nContent-Length: 50\r\n\r\n"),
    ("SMUG-TRAILER-TE", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("SMUG-TRAILER-HOST", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\nHost: evil.example.com\r\n\r\n"),
    ("SMUG-TRAILER-AUTH", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\nAuthorization: Bearer evil\r\n\r\n"),
    ("SMUG-HEAD-CL-BODY", "400 2xx",
     b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("SMUG-OPTIONS-CL-BODY", "400 2xx",
     b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("SMUG-CL-UNDERSCORE", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\nhelloworld"),
    ("SMUG-CL-NEGATIVE-ZERO", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"),
    ("SMUG-CL-DOUBLE-ZERO", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n"),
    ("SMUG-CL-LEADING-ZEROS-OCTAL", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0200\r\n\r\n" + b"A" * 200),
    ("SMUG-TE-OBS-FOLD", "400 2xx close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-TRAILING-COMMA", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-TE-TAB-BEFORE-VALUE", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n"
     b"Content-Length: 5\r\n\r\nhello"),
    ("SMUG-ABSOLUTE-URI-HOST-MISMATCH", "400 2xx",
     b"GET http://other.example.com/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("SMUG-MULTIPLE-HOST-COMMA", "400 close",
     b"GET / HTTP/1.1\r\nHost: a, other.example.com\r\n\r\n"),
    ("SMUG-CHUNK-BARE-CR-TERM", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"5\rhello\r\n0\r\n\r\n"),
    ("SMUG-TRAILER-CONTENT-TYPE", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     b"0\r\nContent-Type: text/evil\r\n\r\n"),
)

MALFORMED = (
    ("MAL-BINARY-GARBAGE", "400 close waits", bytes((i * 197 + 89) % 256 for i in range(256))),
    ("MAL-LONG-URL", "400 414 431 close",
     b"GET /" + b"A" * 100000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-LONG-HEADER-VALUE", "400 431 close",
     b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"B" * 100000 + b"\r\n\r\n"),
    ("MAL-MANY-HEADERS", "400 431 close",
     b"GET / HTTP/1.1\r\nHost: a\r\n" +
     b"".join(b"X-H-%d: v\r\n" % i for i in range(10000)) + b"\r\n"),
    ("MAL-NUL-IN-URL", "400 close", b"GET /\x00test HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-CONTROL-CHARS-HEADER", "400 close",
     b"GET / HTTP/1.1\r\nHost: a\r\nX-Test: abc\x07\x08\x0bdef\r\n\r\n"),
    ("MAL-INCOMPLETE-REQUEST", "400 close waits", b"GET / HTTP/1.1\r\nHost: a\r\nX-Test: value"),
    ("MAL-EMPTY-REQUEST", "400 close waits", b""),
    ("MAL-LONG-HEADER-NAME", "400 431 close",
     b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A" * 100000 + b": v\r\n\r\n"),
    ("MAL-LONG-METHOD", "400 414 431 501 close",
     b"A" * 100000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-NON-ASCII-HEADER-NAME", "400 close",
     b"GET / HTTP/1.1\r\nHost: a\r\nX-T\xc3\xabst: value\r\n\r\n"),
    ("MAL-NON-ASCII-URL", "400 close", b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-CL-OVERFLOW", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    ("MAL-WHITESPACE-ONLY-LINE", "400 close waits", b"   \r\n\r\n"),
    ("MAL-NUL-IN-HEADER-VALUE", "400 close",
     b"GET / HTTP/1.1\r\nHost: a\r\nX-Test: val\x00ue\r\n\r\n"),
    ("MAL-CHUNK-SIZE-OVERFLOW", "400 close",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"),
    ("MAL-H2-PREFACE", "400 505 close waits", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("MAL-CL-EMPTY", "400 close", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"),
    ("MAL-CL-TAB-BEFORE-VALUE", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5\r\n\r\nhello"),
    ("MAL-URL-BACKSLASH", "400 2xx 404", b"GET /path\\file HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-URL-OVERLONG-UTF8", "400 close", b"GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-URL-PERCENT-NULL", "400 2xx 404", b"GET /path%00.html HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-URL-PERCENT-CRLF", "400 2xx 404",
     b"GET /path%0d%0aX-Injected:%20true HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("MAL-CHUNK-EXT-64K", "400 2xx",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=" +
     b"a" * 65536 + b"\r\nhello\r\n0\r\n\r\n"),
    ("MAL-RANGE-OVERLAPPING", "2xx 400 416",
     b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=" + b",".join([b"0-"] * 1000) + b"\r\n\r\n"),
    ("MAL-POST-CL-HUGE-NO-BODY", "400 413 close waits",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n"),
)


def post(length, coding, body):
    """A body whose end two fields tell differently."""
    return (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + b"\r\n" + coding +
            b"\r\n\r\n" + body)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
SMALL = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n"
PREFIX = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
HIDDEN = b"0\r\n\r\n" + GET
COUNT = b"%d" % len(HIDDEN)

# What follows on the same connection, and how many requests there may be at most. "clean": as many
# answers as requests, each of its own; else the first is refused, or its answer is the last.
SEQUENCES = (
    ("SMUG-CLTE-CONN-CLOSE", "last", post(b"5", CHUNKED, b"0\r\n\r\n"), GET),
    ("SMUG-TECL-CONN-CLOSE", "last",
     b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", GET),
    ("SMUG-CLTE-DESYNC", "last", post(b"6", CHUNKED, b"0\r\n\r\nX"), GET),
    ("SMUG-CLTE-SMUGGLED-GET", "last", post(COUNT, CHUNKED, HIDDEN), b""),
    ("SMUG-CLTE-SMUGGLED-GET-CL-PLUS", "last", post(b"+" + COUNT, CHUNKED, HIDDEN), b""),
    ("SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC", "last", post(b"N" + COUNT, CHUNKED, HIDDEN), b""),
    ("SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD", "last",
     post(COUNT, b"Transfer-Encoding:\r\n chunked", HIDDEN), b""),
    ("SMUG-CLTE-SMUGGLED-HEAD", "last",
     post(b"%d" % (5 + len(HEAD)), CHUNKED, b"0\r\n\r\n" + HEAD), b""),
    ("SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE", "last", post(COUNT, CHUNKED + b" ", HIDDEN), b""),
    ("SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA", "last",
     post(COUNT, b"Transfer-Encoding: , chunked", HIDDEN), b""),
    ("SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH", "last",
     post(COUNT, b"Transfer-Encoding: Chunked", HIDDEN), b""),
    ("SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET", "last",
     post(COUNT, CHUNKED + b"\r\nTransfer-Encoding: identity", HIDDEN), b""),
    ("SMUG-TECL-SMUGGLED-GET", "last",
     b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\nContent-Length: 4\r\n\r\n" +
     b"%x\r\n" % len(SMALL) + SMALL + b"\r\n0\r\n\r\n", b""),
    ("SMUG-DUPLICATE-CL-SMUGGLED-GET", "last",
     post(b"4", b"Content-Length: %d" % (4 + len(GET)), b"PING" + GET), b""),
    ("SMUG-GET-CL-PREFIX-DESYNC", "clean",
     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(PREFIX) + PREFIX,
     b"\r\n" + GET),
    ("SMUG-TECL-DESYNC", "last",
     b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\nContent-Length: 30\r\n\r\n" +
     b"0\r\n\r\nX", GET),
    ("SMUG-CL0-BODY-POISON", "poison",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nX", GET),
    ("SMUG-GET-CL-BODY-DESYNC", "clean",
     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", GET),
    ("SMUG-OPTIONS-CL-BODY-DESYNC", "clean",
     b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", GET),
    ("SMUG-EXPECT-100-CL-DESYNC", "clean",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", GET),
    ("SMUG-OPTIONS-TE-OBS-FOLD", "last",
     b"OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n"
     b"hello", GET),
    ("SMUG-CHUNK-INVALID-SIZE-DESYNC", "last",
     b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\n\r\n+0\r\n\r\nX", GET),
    ("SMUG-PIPELINE-SAFE", "clean", GET, GET),
)
