#include "check.h"
#include "stream.h"

#include <string.h>

static struct stream s;
static uint16_t seq;

static void start(void)
{
    stream_clear(&s);
    seq = 0;
}

static void begin(uint32_t no, uint32_t len)
{
    stream_begin(&s, &seq, no, len, 1);
}

static void chunk(uint32_t no, uint32_t offset, uint32_t n, bool last)
{
    stream_chunk(&s, &seq, no, offset, n, last);
}

static const char *findings(void)
{
    return stream_findings(&s, 1000);
}

static void whole_frame_is_delivered(void)
{
    start();
    begin(1, 100);
    chunk(1, 0, 60, false);
    chunk(1, 60, 40, true);
    CHECK(strncmp(findings(), "frame no=1 len=100 crc=0x", 25) == 0);
}

static void other_packets_may_stand_between_chunks(void)
{
    start();
    begin(1, 100);
    stream_hello(&s, &seq, 1);
    chunk(1, 0, 60, false);
    stream_packet(&s, CAMLINK_PONG, 0, seq++, 5, "0123456789012345678901234567", 28);
    stream_hello(&s, &seq, 1);
    chunk(1, 60, 40, true);
    CHECK(strstr(findings(), "frame no=1 ") != NULL);
}

static void missing_chunk_rejects_once(void)
{
    start();
    begin(1, 150);
    chunk(1, 0, 50, false);
    chunk(1, 100, 50, true);
    chunk(1, 50, 50, false);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\n");
}

static void chunk_of_another_frame_rejects(void)
{
    start();
    begin(1, 100);
    chunk(2, 0, 100, true);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\n");
}

static void repeated_chunk_rejects(void)
{
    start();
    begin(1, 100);
    chunk(1, 0, 50, false);
    chunk(1, 0, 50, false);
    chunk(1, 50, 50, true);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\n");
}

static void next_begin_rejects_the_unfinished(void)
{
    start();
    begin(1, 100);
    chunk(1, 0, 50, false);
    begin(2, 0);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\nreject no=2 reason=format\n");
}

static void new_boot_rejects_the_unfinished_and_forgets_the_numbers(void)
{
    start();
    stream_hello(&s, &seq, 1);
    begin(1, 100);
    stream_hello(&s, &seq, 2);
    chunk(1, 0, 100, true);
    begin(9, 2000);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\nreject no=9 reason=too_large\n");
}

static void first_hello_is_no_reboot(void)
{
    start();
    begin(1, 100);
    stream_hello(&s, &seq, 7);
    chunk(1, 0, 100, true);
    CHECK(strstr(findings(), "frame no=1 ") != NULL);
}

static void last_before_the_end_rejects(void)
{
    start();
    begin(1, 100);
    chunk(1, 0, 50, true);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\n");
}

static void end_without_last_rejects(void)
{
    start();
    begin(1, 100);
    chunk(1, 0, 100, false);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\n");
}

static void data_beyond_the_end_rejects(void)
{
    start();
    begin(1, 100);
    chunk(1, 0, 101, true);
    CHECK_TEXT(findings(), "reject no=1 reason=incomplete\n");
}

static void frame_above_the_limit_is_refused(void)
{
    start();
    begin(1, 1001);
    chunk(1, 0, 1001, true);
    begin(2, 1000);
    CHECK_TEXT(findings(), "reject no=1 reason=too_large\n");
}

static void aborted_frame_is_rejected_if_it_is_the_one(void)
{
    start();
    begin(1, 100);
    stream_abort(&s, &seq, 2);
    stream_abort(&s, &seq, 1);
    stream_abort(&s, &seq, 1);
    CHECK_TEXT(findings(), "reject no=1 reason=aborted\n");
}

static void empty_frame_or_other_format_is_refused(void)
{
    start();
    begin(1, 0);
    stream_begin(&s, &seq, 2, 100, 2);
    CHECK_TEXT(findings(), "reject no=1 reason=format\nreject no=2 reason=format\n");
}

static void gap_in_the_numbers_tells_lost_frames(void)
{
    start();
    begin(0xFFFFFFFF, 0);
    begin(2, 0);
    CHECK_TEXT(findings(), "reject no=4294967295 reason=format\nlost count=2\nreject no=2 reason=format\n");
}

static void number_that_went_back_restarts_the_count(void)
{
    start();
    begin(100, 0);
    begin(5, 0);
    begin(6, 0);
    CHECK_TEXT(findings(), "reject no=100 reason=format\nreject no=5 reason=format\nreject no=6 reason=format\n");
}

static void chunk_without_begin_is_ignored(void)
{
    start();
    chunk(1, 0, 100, true);
    CHECK_TEXT(findings(), "");
}

static void packets_shorter_than_their_type_change_nothing(void)
{
    static const uint8_t zero[47];
    start();
    stream_hello(&s, &seq, 1);
    begin(1, 100);
    stream_packet(&s, CAMLINK_FRAME_BEGIN, 0, seq++, 2, zero, 31);
    stream_packet(&s, CAMLINK_FRAME_CHUNK, 0, seq++, 1, zero, 3);
    stream_packet(&s, CAMLINK_FRAME_ABORT, 0, seq++, 1, zero, 4);
    stream_packet(&s, CAMLINK_HELLO, 0, seq++, 0, zero, 47);
    chunk(1, 0, 100, true);
    CHECK(strncmp(findings(), "frame no=1 ", 11) == 0);
}

void assembler_suite(void)
{
    RUN(whole_frame_is_delivered);
    RUN(other_packets_may_stand_between_chunks);
    RUN(missing_chunk_rejects_once);
    RUN(chunk_of_another_frame_rejects);
    RUN(repeated_chunk_rejects);
    RUN(next_begin_rejects_the_unfinished);
    RUN(new_boot_rejects_the_unfinished_and_forgets_the_numbers);
    RUN(first_hello_is_no_reboot);
    RUN(last_before_the_end_rejects);
    RUN(end_without_last_rejects);
    RUN(data_beyond_the_end_rejects);
    RUN(frame_above_the_limit_is_refused);
    RUN(aborted_frame_is_rejected_if_it_is_the_one);
    RUN(empty_frame_or_other_format_is_refused);
    RUN(gap_in_the_numbers_tells_lost_frames);
    RUN(number_that_went_back_restarts_the_count);
    RUN(chunk_without_begin_is_ignored);
    RUN(packets_shorter_than_their_type_change_nothing);
}
