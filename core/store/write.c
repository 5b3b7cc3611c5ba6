#include "store/write.h"

bool write_check_preconditions(const struct write_request *request, const struct record *existing,
                               struct error *error)
{
    if (request->if_none_match_any && existing)
        return error_set(error, ERROR_PRECONDITION_FAILED,
                         "there is one already, and If-None-Match: * asked for a new one");
    if (!request->has_if_match)
        return true;
    if (!existing)
        return error_set(error, ERROR_PRECONDITION_FAILED,
                         "there is none, and If-Match asked for an existing one");
    if (request->if_match_any || existing->version == request->if_match)
        return true;
    return error_set(error, ERROR_PRECONDITION_FAILED,
                     "it has version %llu, not %llu: read it again, then repeat the change",
                     (unsigned long long)existing->version, (unsigned long long)request->if_match);
}
