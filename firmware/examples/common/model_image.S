/* The model image of a run, in the application: EQ_MODEL_IMAGE is its path. Aligned as in a partition. */
    .section .rodata
    .balign 16
    .global eq_model_image
eq_model_image:
    .incbin EQ_MODEL_IMAGE
    .global eq_model_image_end
eq_model_image_end:
    .byte 0
