/* Options of a run: drawn from its seed, then cut down by the command line. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "judge.h"

void options_draw(uint64_t seed);   /* also sets the streams of chance */
void options_widen(uint32_t hosts); /* another size than drawn */
/* another size than drawn */       /* also sets the streams of chance */
void options_without(const char *list);
void options_only(const char *list);
bool options_with(const char *list); /* "name=rate,..."; false: no such list */
void options_print(void);

#endif
