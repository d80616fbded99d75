/*
 * Which drivers the EAL loads.
 *
 * Where it is a shared library it loads its whole plugin folder at start: 130 libraries in Debian, for 60 ms of processor
 * time, of which a switch without NICs uses three. No option says otherwise. To find out whether it is shared it asks the
 * loader for librte_eal.so without loading it, and so that is answered here, as for a program with its drivers linked in:
 * not there. Everything else is passed on. A program that does not call millrace_drivers_by_name() notices nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "dpdk.h"

static bool by_name;

void *
dlopen(const char *file, int mode)
{
	static void *(*next)(const char *, int);

	if (by_name && file != NULL && (mode & RTLD_NOLOAD) && strncmp(file, "librte_eal.so", 13) == 0)
		return NULL;
	if (next == NULL)
		next = dlsym(RTLD_NEXT, "dlopen");
	return next(file, mode);
}

void
millrace_drivers_by_name(void)
{
	by_name = true;
}

const char *
millrace_load_driver(const char *file)
{
	return dlopen(file, RTLD_NOW) == NULL ? dlerror() : NULL;
}
