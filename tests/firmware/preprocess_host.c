/* eq_preprocess for tests. stdin: records of u32 section bytes, section, u32 height, width, channels,
 * picture. stdout: for each u32 bytes and the input; or, where the section is refused, 0 and a line of why.
 * Every buffer has exactly the bytes it needs, so that the address sanitizer sees what goes beyond. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eq_preprocess.h"

static uint8_t *take(uint32_t bytes) {
    uint8_t *memory = malloc(bytes ? bytes : 1);
    if (!memory || fread(memory, 1, bytes, stdin) != bytes) exit(1);
    return memory;
}

int main(void) {
    for (uint32_t bytes; fread(&bytes, 4, 1, stdin) == 1;) {
        uint8_t *section = take(bytes);
        uint32_t dims[3];
        if (fread(dims, 4, 3, stdin) != 3) return 1;
        uint32_t size = eq_picture_bytes(dims[0], dims[1], dims[2]);
        uint8_t *pixels = take(size);
        eq_preprocess p;
        const char *why = eq_preprocess_read(&p, section, bytes);
        uint32_t input_bytes = why || !size ? 0 : p.height * p.width * p.channels;
        fwrite(&input_bytes, 4, 1, stdout);
        if (input_bytes) {
            int8_t *input = malloc(input_bytes);
            if (!input) return 1;
            eq_picture picture = {pixels, dims[0], dims[1], dims[2]};
            eq_preprocess_run(&p, &picture, input);
            fwrite(input, 1, input_bytes, stdout);
            free(input);
        } else {
            printf("%s\n", why ? why : "no picture");
        }
        free(section);
        free(pixels);
    }
    return 0;
}
