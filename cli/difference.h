/* What a manifest would change, field by field. */
#ifndef CLI_DIFFERENCE_H
#define CLI_DIFFERENCE_H

#include "manifest.h"

/* Prints what differs between the manifest, defaults included, and the object as it is (NULL: there
 * is none). True when something does. */
bool difference_print(struct cli *cli, const struct manifest *manifest, const json_t *present);

#endif
