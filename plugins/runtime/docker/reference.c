/* Names of images: [host[:port]/]path[:tag][@sha256:hex], or an image's id. */
#include "docker.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_digest(const char *word)
{
    return strncmp(word, "sha256:", 7) == 0 && strlen(word) == 7 + 64 &&
           strspn(word + 7, "0123456789abcdef") == 64;
}

/* No more than what can do no harm in a URL's path; the engine knows the whole grammar. */
static bool is_name(const char *name)
{
    size_t length = strlen(name);
    return length && length <= 255 && isalnum((unsigned char)name[0]) &&
           isalnum((unsigned char)name[length - 1]) && !strstr(name, "..") && !strstr(name, "//") &&
           !strstr(name, "/.") && !strstr(name, "./") &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "._-/:") == length;
}

static bool is_tag(const char *tag)
{
    size_t length = strlen(tag);
    return length && length <= 128 && (isalnum((unsigned char)tag[0]) || tag[0] == '_') &&
           strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

void reference_finish(struct reference *reference)
{
    free(reference->name);
    free(reference->tag);
    free(reference->digest);
    *reference = (struct reference){0};
}

static bool fail(struct reference *reference, struct orch_error *error, const char *message)
{
    reference_finish(reference);
    (void)orch_fail(error, ORCH_E_INVALID, message);
    return false;
}

bool reference_parse(struct reference *reference, struct orch_str image, struct orch_error *error)
{
    *reference = (struct reference){.name = string_copy(image)};
    if (strlen(reference->name) != image.len)
        return fail(reference, error, "the image's name holds a zero byte");
    reference->is_id = is_digest(reference->name);
    if (reference->is_id) {
        reference->digest = reference->name;
        reference->name = NULL;
        return true;
    }
    char *at = strchr(reference->name, '@');
    if (at) {
        *at = 0;
        reference->digest = string_copy(str(at + 1));
        if (!is_digest(reference->digest))
            return fail(reference, error, "the image's digest is no sha256:<64 hex digits>");
    }
    char *slash = strrchr(reference->name, '/');
    char *colon = strchr(slash ? slash : reference->name, ':');
    if (colon) {
        *colon = 0;
        reference->tag = string_copy(str(colon + 1));
        if (!is_tag(reference->tag))
            return fail(reference, error, "the image's tag is no valid one");
    }
    if (!is_name(reference->name))
        return fail(reference, error, "the image's name is no valid one");
    if (!reference->tag && !reference->digest)
        return fail(reference, error, "the image has neither tag nor digest; none is assumed");
    return true;
}

static const char *familiar(const char *name)
{
    static const char *const prefixes[] = {"index.docker.io/", "docker.io/", "library/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            name += strlen(prefixes[i]);
    return name;
}

bool reference_same_name(const char *one, const char *other)
{
    return strcmp(familiar(one), familiar(other)) == 0;
}
