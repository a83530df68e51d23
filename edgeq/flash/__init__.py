"""Writing a board's flash: the one door to esptool, and the serial ports of this machine."""
