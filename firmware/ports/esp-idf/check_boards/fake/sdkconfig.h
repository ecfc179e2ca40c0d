/* The name that Kconfig would have fixed, chosen by the test at run time. */
#ifndef SDKCONFIG_H
#define SDKCONFIG_H

extern const char *chosen_board;
#define CONFIG_CAMGW_BOARD_NAME chosen_board

#endif
