"""The virtual board: an ESP32 that an unmodified esptool flashes and that runs what was flashed."""
