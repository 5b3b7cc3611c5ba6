#include <unistd.h>
__attribute__((constructor)) static void leave(void)
{
    _exit(3);
}
#include "scheduler.h"
