/* A disk that keeps nothing but what was flushed to it: preloaded into a database server.

   Files under POWER_CUT_LIVE are written as ever. Whenever one is flushed (fsync, fdatasync) it is
   copied, as it is then, under POWER_CUT_DISK; removing and renaming happen there at once. So
   POWER_CUT_DISK is what a power cut may leave at its worst: no write that was not flushed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Where this file lies on the disk; 0 where it is none of ours. */
static int on_disk(const char *path, char *found) {
  const char *live = getenv("POWER_CUT_LIVE"), *disk = getenv("POWER_CUT_DISK");
  if (!live || !disk || !path || strncmp(path, live, strlen(live))) return 0;
  return snprintf(found, PATH_MAX, "%s%s", disk, path + strlen(live)) < PATH_MAX;
}

static void make_folders(char *path) {
  for (char *at = path + 1; (at = strchr(at, '/')); at++) {
    *at = 0;
    mkdir(path, 0700);
    *at = '/';
  }
}

static void keep(int fd) {
  char link[64], path[PATH_MAX], kept[PATH_MAX], buffer[1 << 16];
  struct stat told;
  if (fstat(fd, &told) || !S_ISREG(told.st_mode)) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  if (!on_disk(path, kept)) return;
  pthread_mutex_lock(&one_at_a_time);
  make_folders(kept);
  int from = open(path, O_RDONLY), to = open(kept, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  while (from >= 0 && to >= 0 && (length = read(from, buffer, sizeof buffer)) > 0)
    if (write(to, buffer, length) != length) abort();
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  pthread_mutex_unlock(&one_at_a_time);
}

int fsync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
  keep(fd);
  return real(fd);
}

int fdatasync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
  keep(fd);
  return real(fd);
}

int unlink(const char *path) {
  int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
  char kept[PATH_MAX];
  int known = on_disk(path, kept), result = real(path), error = errno;
  if (known && !result) real(kept);
  errno = error;
  return result;
}

int remove(const char *path) {
  int (*real)(const char *) = dlsym(RTLD_NEXT, "remove");
  char kept[PATH_MAX];
  int known = on_disk(path, kept), result = real(path), error = errno;
  if (known && !result) real(kept);
  errno = error;
  return result;
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  char kept_from[PATH_MAX], kept_to[PATH_MAX];
  int known = on_disk(from, kept_from) && on_disk(to, kept_to);
  int result = real(from, to), error = errno;
  if (known && !result) real(kept_from, kept_to); /* one that was never flushed is not there */
  errno = error;
  return result;
}
