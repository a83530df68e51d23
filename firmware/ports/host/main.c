/* The firmware as a Linux process: argv[1] is the flash array's file, the console is stdin and stdout. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "app_image.h"
#include "flash.h"
#include "tflm_worker.h"

typedef struct host {
    eq_flash flash; /* first: eq_flash_map takes a pointer to it */
    char **argv;
} host;

static uint32_t hal_read(void *ctx, uint8_t *buf, uint32_t capacity) {
    (void)ctx;
    for (;;) {
        ssize_t moved = read(STDIN_FILENO, buf, capacity);
        if (moved >= 0) return (uint32_t)moved;
        if (errno != EINTR) return 0;
    }
}

static void hal_write(void *ctx, const uint8_t *buf, uint32_t bytes) {
    (void)ctx;
    while (bytes) {
        ssize_t moved = write(STDOUT_FILENO, buf, bytes);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) _exit(0); /* nobody reads the console any more */
        buf += moved;
        bytes -= (uint32_t)moved;
    }
}

static uint64_t hal_clock(void *ctx) {
    (void)ctx;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - tflm_worker_overhead_ns();
}

static void hal_reboot(void *ctx) {
    host *self = ctx;
    tflm_worker_stop();
    execv("/proc/self/exe", self->argv);
    perror("reboot");
    _exit(1);
}

/* The file as memory; NULL, after a message, if that cannot be. */
static const uint8_t *map_file(const char *path, uint32_t *bytes) {
    const uint8_t *base = NULL;
    struct stat file;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &file) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    } else if (!S_ISREG(file.st_mode) || file.st_size <= 0 || file.st_size > UINT32_MAX) {
        fprintf(stderr, "%s: not a flash array: no file of 1 byte to 4 GiB\n", path);
    } else {
        void *mapped = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
        if (mapped == MAP_FAILED)
            fprintf(stderr, "%s: %s\n", path, strerror(errno));
        else
            base = mapped, *bytes = (uint32_t)file.st_size;
    }
    if (descriptor >= 0) close(descriptor);
    return base;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s FLASH_FILE\n", argc ? argv[0] : "firmware");
        return 2;
    }
    uint32_t flash_bytes = 0;
    const uint8_t *base = map_file(argv[1], &flash_bytes);
    if (!base) return 2;
    host self = {eq_flash_open(base, flash_bytes), argv};
    const eq_hal hal = {
        .ctx = &self,
        .board = EQ_BOARD,
        .kind = "host",
        .port = "host",
        .clock_unit = "ns",
        .read = hal_read,
        .write = hal_write,
        .clock = hal_clock,
        .model_partition_bytes = self.flash.model.bytes,
        .map = eq_flash_map,
        .unmap = eq_flash_unmap,
        .reboot = hal_reboot,
        .app_sha256 = eq_app_sha256(base, flash_bytes),
        .virtual_pins = true,
    };
    const eq_engine_kind *const engines[] = {&eq_native, tflm_worker_there() ? &tflm_worker : NULL, NULL};
    eq_app_run(&hal, engines);
    return 0;
}
