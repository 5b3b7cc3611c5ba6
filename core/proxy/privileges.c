#include "proxy/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool find_user(const char *user, uid_t *uid, gid_t *gid, struct error *error)
{
    char *end;
    unsigned long number = strtoul(user, &end, 10);
    errno = 0;
    const struct passwd *entry = *user && !*end ? getpwuid((uid_t)number) : getpwnam(user);
    if (entry) {
        *uid = entry->pw_uid;
        *gid = entry->pw_gid;
        return true;
    }
    if (*user && !*end) { /* a number needs no entry */
        *uid = *gid = (uid_t)number;
        return true;
    }
    return error_set(error, ERROR_NOT_FOUND, "proxy.user: there is no user \"%s\"", user);
}

static void drop_bounding_set(void)
{
    for (unsigned long capability = 0; capability <= CAP_LAST_CAP; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); /* unknown to an older kernel */
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0;
}

static bool become(const char *user, struct error *error)
{
    uid_t uid = 0;
    gid_t gid = 0;
    if (geteuid() != 0)
        return true;
    if (!find_user(user, &uid, &gid, error))
        return false;
    drop_bounding_set();
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return error_set_errno(error, ERROR_IO, errno, "becoming user %s", user);
    if (uid != 0 && setuid(0) == 0)
        return error_set(error, ERROR_INTERNAL, "root's rights could be taken back");
    return true;
}

bool privileges_drop(const char *user, struct error *error)
{
    if (!become(user, error))
        return false;
    if (!drop_capabilities())
        return error_set_errno(error, ERROR_IO, errno, "giving up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return error_set_errno(error, ERROR_IO, errno, "giving up new rights");
    return true;
}
