// The bytes of bench/keynote/dist/bundle.js; WORLDLINE_KEYNOTE_BUNDLE is its path.
    .section .rodata
    .global worldline_keynote_bundle_begin
    .global worldline_keynote_bundle_end
    .balign 16
worldline_keynote_bundle_begin:
    .incbin WORLDLINE_KEYNOTE_BUNDLE
worldline_keynote_bundle_end:
    .byte 0
    .section .note.GNU-stack,"",@progbits
