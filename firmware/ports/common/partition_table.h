/* ESP-IDF's partition table. */
#ifndef EQ_PARTITION_TABLE_H
#define EQ_PARTITION_TABLE_H

#include <stdint.h>

enum {
    EQ_PARTITION_TABLE_OFFSET = 0x8000,
    EQ_PARTITION_TYPE_APP = 0x00,
    EQ_PARTITION_TYPE_DATA = 0x01,
    EQ_PARTITION_SUBTYPE_FACTORY = 0x00,
    EQ_PARTITION_SUBTYPE_MODEL = 0x40,
    EQ_PARTITION_SUBTYPE_SLOT_RECORDS = 0x41,
};

typedef struct eq_partition {
    uint32_t offset; /* in flash */
    uint32_t bytes;  /* 0: there is no such partition */
} eq_partition;

/* The partition of that type and subtype with that index, from 0 in the order of the rows. One that does not
 * lie within the flash is no partition. The MD5 row is not checked here: whoever starts the application has
 * done that. */
eq_partition eq_partition_find(const uint8_t *flash, uint32_t flash_bytes, uint8_t type, uint8_t subtype,
                               uint32_t index);

#endif
