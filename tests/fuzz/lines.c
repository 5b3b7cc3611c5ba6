/* JSON objects in a stream: however the bytes are cut, the same objects come out. */
#include "docker.h"
#include "fuzz.h"

struct seen {
    struct text text;
    uint32_t stop_after;
};

static bool object(void *context, const json_t *given)
{
    struct seen *seen = context;
    char *text = json_dumps(given, JSON_COMPACT | JSON_SORT_KEYS);
    PROMISE(text, "an object that cannot be written");
    text_add(&seen->text, text, strlen(text));
    free(text);
    return seen->stop_after-- != 0;
}

static enum lines_fault feed(struct seen *seen, const uint8_t *data, size_t size, size_t step)
{
    struct lines lines = {0};
    enum lines_fault fault = LINES_FINE;
    for (size_t at = 0; at < size && !fault; at += step) {
        size_t part = size - at < step ? size - at : step;
        fault = lines_feed(&lines, (struct orch_str){(const char *)data + at, part}, object, seen);
    }
    (void)lines_are_whole(&lines);
    lines_finish(&lines);
    return fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return -1;
    struct seen whole = {.stop_after = data[0] % 16u}, cut = {.stop_after = data[0] % 16u};
    size_t step = 1u + data[1] % 32;
    enum lines_fault first = feed(&whole, data + 2, size - 2, size);
    enum lines_fault second = feed(&cut, data + 2, size - 2, step);
    PROMISE(first == second, "whole %d, in parts %d", (int)first, (int)second);
    PROMISE(strcmp(text_string(&whole.text), text_string(&cut.text)) == 0, "%s\nis not\n%s",
            text_string(&whole.text), text_string(&cut.text));
    text_finish(&whole.text);
    text_finish(&cut.text);
    return 0;
}
