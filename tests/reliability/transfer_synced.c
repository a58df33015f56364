/* Remembers what a process made durable, so that a test can take everything else away after a kill.
 *
 * Preloaded (LD_PRELOAD), it follows every fsync and fdatasync below SYNCED_ROOT by a copy in SYNCED_SHADOW, SQLite's
 * own included: f-<inode> holds a file's bytes, d-<inode> a folder's names, k-<inode> is another name of the file, which
 * keeps its inode from being used again. The copy is there before the caller learns that the sync succeeded.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int (*sync_call)(int);

static const char *root, *shadow;
static sync_call real_fsync, real_fdatasync;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void)
{
    root = getenv("SYNCED_ROOT");
    shadow = getenv("SYNCED_SHADOW");
    real_fsync = (sync_call)dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (sync_call)dlsym(RTLD_NEXT, "fdatasync");
}

static void fail(const char *what)
{
    perror(what);
    abort(); /* a test that forgets a sync would accuse the wrong one */
}

static void keep_bytes(const char *source, const char *aside)
{
    int in = open(source, O_RDONLY | O_CLOEXEC), out = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t copied;
    if (in < 0 || out < 0)
        fail("synced: open");
    while ((copied = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) > 0)
        ;
    if (copied < 0)
        fail("synced: copy_file_range");
    close(in);
    close(out);
}

static void keep_names(const char *folder, const char *aside)
{
    DIR *names = opendir(folder);
    FILE *out = fopen(aside, "we");
    struct dirent *entry;
    if (!names || !out)
        fail("synced: opendir");
    while ((entry = readdir(names)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            fprintf(out, "%lu %c %s\n", (unsigned long)entry->d_ino, entry->d_type == DT_DIR ? 'd' : 'f', entry->d_name);
    closedir(names);
    fclose(out);
}

static void keep(int descriptor)
{
    char here[64], path[PATH_MAX + 16], aside[PATH_MAX], place[PATH_MAX];
    struct stat facts;
    ssize_t length;
    snprintf(here, sizeof here, "/proc/self/fd/%d", descriptor);
    length = readlink(here, path, sizeof path - 1);
    if (!root || !shadow || length < 0)
        return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root)) || (path[strlen(root)] && path[strlen(root)] != '/') || fstat(descriptor, &facts))
        return;
    pthread_mutex_lock(&one_at_a_time);
    snprintf(aside, sizeof aside, "%s/aside", shadow);
    snprintf(place, sizeof place, "%s/%c-%lu", shadow, S_ISDIR(facts.st_mode) ? 'd' : 'f', (unsigned long)facts.st_ino);
    if (S_ISDIR(facts.st_mode))
        keep_names(here, aside);
    else
        keep_bytes(here, aside);
    if (rename(aside, place))
        fail("synced: rename");
    snprintf(place, sizeof place, "%s/k-%lu", shadow, (unsigned long)facts.st_ino);
    if (S_ISREG(facts.st_mode))
        linkat(AT_FDCWD, here, AT_FDCWD, place, AT_SYMLINK_FOLLOW); /* fails when it is there, or has no name any more */
    pthread_mutex_unlock(&one_at_a_time);
}

int fsync(int descriptor)
{
    int result = real_fsync(descriptor);
    if (!result)
        keep(descriptor);
    return result;
}

int fdatasync(int descriptor)
{
    int result = real_fdatasync(descriptor);
    if (!result)
        keep(descriptor);
    return result;
}
