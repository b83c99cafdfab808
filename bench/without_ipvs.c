// Answers the IPVS socket options (SOL_IP, 1088 + 64 and on; include/uapi/linux/ip_vs.h) with success and zeroes, so that
// keepalived's checker runs on a kernel without IPVS. For bench/checks.py: LD_PRELOAD=without_ipvs.so keepalived -C
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#define BASE (64 + 1024 + 64)
int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
    static int (*real)(int, int, int, void *, socklen_t *);
    if (level == IPPROTO_IP && name >= BASE && name < BASE + 32) { memset(value, 0, *size); return 0; }
    if (!real) real = (int (*)(int, int, int, void *, socklen_t *))dlsym(RTLD_NEXT, "getsockopt");
    return real(fd, level, name, value, size);
}
int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    static int (*real)(int, int, int, const void *, socklen_t);
    if (level == IPPROTO_IP && name >= BASE && name < BASE + 32) return 0;
    if (!real) real = (int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");
    return real(fd, level, name, value, size);
}
