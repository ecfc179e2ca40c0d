#include "check.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>

static struct stream s;

#define PING_LINE(seq) "packet type=0x41 flags=0x0 seq=" #seq " ref=1 len=8 crc=0x6522df69\n"

static size_t ping(uint16_t seq)
{
    static const uint8_t zero[8];
    return stream_packet(&s, CAMLINK_PING, 0, seq, 1, zero, sizeof zero);
}

static const char *events(void)
{
    return stream_events(&s, EVENTS_MAX_FRAME, 0);
}

static void good_packets_are_accepted(void)
{
    stream_clear(&s);
    stream_packet(&s, CAMLINK_STATS_REQ, 3, 0, 7, NULL, 0);
    ping(1);
    CHECK_TEXT(events(), "packet type=0x49 flags=0x3 seq=0 ref=7 len=0 crc=0x00000000\n" PING_LINE(
                             1) "end header=0 version=0 length=0 payload=0 discarded=0 lost=0\n");
}

static void bad_header_crc_is_noise_whatever_else_is_wrong(void)
{
    stream_clear(&s);
    size_t at = ping(0);
    s.bytes[at + 2] ^= 0x30; /* another version, but the header was damaged */
    ping(1);
    CHECK_TEXT(events(), PING_LINE(1) "end header=1 version=0 length=0 payload=0 discarded=24 lost=0\n");
}

static void other_version_is_told_from_noise(void)
{
    stream_clear(&s);
    stream_header(&s, 2, CAMLINK_PING, 0, 5000);
    ping(1);
    CHECK_TEXT(events(), PING_LINE(1) "end header=0 version=1 length=0 payload=0 discarded=12 lost=0\n");
}

static void length_above_4100_is_not_believed(void)
{
    stream_clear(&s);
    stream_header(&s, 1, CAMLINK_PING, 0, 4101);
    ping(1);
    CHECK_TEXT(events(), PING_LINE(1) "end header=0 version=0 length=1 payload=0 discarded=12 lost=0\n");
}

static void damaged_payload_does_not_hide_the_packet_inside_it(void)
{
    /* A lost byte: the packet's claimed length reaches into the next one. */
    stream_clear(&s);
    size_t at = ping(0);
    memmove(s.bytes + at + 14, s.bytes + at + 15, s.n - at - 15);
    s.n--;
    ping(1);
    CHECK_TEXT(events(), PING_LINE(1) "end header=0 version=0 length=0 payload=1 discarded=23 lost=0\n");
}

static void inserted_byte_costs_one_packet(void)
{
    stream_clear(&s);
    size_t at = ping(0);
    memmove(s.bytes + at + 15, s.bytes + at + 14, s.n - at - 14);
    s.n++;
    ping(1);
    CHECK_TEXT(events(), PING_LINE(1) "end header=0 version=0 length=0 payload=1 discarded=25 lost=0\n");
}

static void sync_may_directly_follow_a_false_one(void)
{
    stream_clear(&s);
    stream_bytes(&s, "\xFF\xFF\xA7\xFF", 4);
    ping(0);
    CHECK_TEXT(events(), PING_LINE(0) "end header=1 version=0 length=0 payload=0 discarded=4 lost=0\n");
}

static void undecided_bytes_are_not_discarded(void)
{
    stream_clear(&s);
    stream_bytes(&s, "xyz\xFF", 4);
    CHECK_TEXT(events(), "end header=0 version=0 length=0 payload=0 discarded=3 lost=0\n");
    stream_bytes(&s, "\xA7\x10", 2);
    CHECK_TEXT(events(), "end header=0 version=0 length=0 payload=0 discarded=3 lost=0\n");
}

static void lost_packets_are_counted_by_seq(void)
{
    stream_clear(&s);
    ping(0xFFFE);
    ping(2); /* FFFF, 0 and 1 are missing */
    CHECK(strstr(events(), "lost=3\n") != NULL);
}

static void seq_that_went_back_is_no_loss(void)
{
    stream_clear(&s);
    ping(100);
    ping(50);
    ping(51);
    CHECK(strstr(events(), "lost=0\n") != NULL);
}

static void packet_beyond_a_small_buffer_is_a_length_error(void)
{
    static const uint8_t payload[CAMLINK_MAX_HOST_PACKET];
    struct camlink_decoder d;
    struct camlink_packet p;
    uint8_t buf[CAMLINK_MAX_HOST_PACKET];
    unsigned accepted = 0;
    stream_clear(&s);
    stream_packet(&s, CAMLINK_PING, 0, 0, 0, payload, sizeof buf - 15);
    stream_packet(&s, CAMLINK_PING, 0, 1, 0, payload, sizeof buf - 16);
    camlink_decoder_init(&d, buf, sizeof buf, NULL, 0);
    for (size_t at = 0; at < s.n;) {
        uint8_t *room;
        size_t n = camlink_decoder_room(&d, &room);
        CHECK(n > 0);
        n = n < s.n - at ? n : s.n - at;
        memcpy(room, s.bytes + at, n);
        at += n;
        camlink_decoder_fed(&d, n);
        while (camlink_decode_next(&d, &p, NULL, NULL) == CAMLINK_EVENT_PACKET) {
            CHECK_EQ(p.seq, 1);
            CHECK_EQ(p.len, sizeof buf - 16);
            accepted++;
        }
    }
    CHECK_EQ(accepted, 1);
    CHECK_EQ(d.length_errors, 1);
}

static void silence_alone_keeps_an_unfinished_packet(void)
{
    stream_clear(&s);
    size_t at = ping(0);
    s.n = at + 15;
    stream_silence(&s);
    stream_bytes(&s, s.bytes, 0);
    s.n = at + 24;
    CHECK_TEXT(events(), PING_LINE(0) "end header=0 version=0 length=0 payload=0 discarded=0 lost=0\n");
}

static void silence_frees_a_packet_from_an_unfinished_one(void)
{
    stream_clear(&s);
    stream_header(&s, 1, CAMLINK_FRAME_CHUNK, 0, 200);
    ping(1);
    CHECK_TEXT(events(), "end header=0 version=0 length=0 payload=0 discarded=0 lost=0\n");
    stream_silence(&s);
    CHECK_TEXT(events(), PING_LINE(1) "end header=0 version=0 length=0 payload=1 discarded=12 lost=0\n");
}

static void silence_frees_through_nested_unfinished_packets(void)
{
    stream_clear(&s);
    for (uint16_t i = 0; i < 5; i++) {
        stream_header(&s, 1, CAMLINK_FRAME_CHUNK, i, 4000);
    }
    ping(5);
    stream_header(&s, 1, CAMLINK_FRAME_CHUNK, 6, 4000);
    ping(7);
    stream_silence(&s);
    CHECK_TEXT(events(), PING_LINE(5) PING_LINE(7) "end header=0 version=0 length=0 payload=6 discarded=72 lost=1\n");
}

static void silence_trusts_only_both_crcs(void)
{
    stream_clear(&s);
    stream_header(&s, 1, CAMLINK_FRAME_CHUNK, 0, 200);
    size_t at = ping(1);
    s.bytes[at + 20] ^= 1;
    stream_silence(&s);
    CHECK_TEXT(events(), "end header=0 version=0 length=0 payload=0 discarded=0 lost=0\n");
}

static void silence_is_used_up_at_once(void)
{
    stream_clear(&s);
    stream_silence(&s);
    stream_header(&s, 1, CAMLINK_FRAME_CHUNK, 0, 200);
    stream_silence(&s);
    ping(1);
    CHECK_TEXT(events(), "end header=0 version=0 length=0 payload=0 discarded=0 lost=0\n");
}

static const char *told(const char *text)
{
    stream_clear(&s);
    stream_text(&s, text);
    return stream_findings(&s, EVENTS_MAX_FRAME);
}

static void text_lines_are_told(void)
{
    CHECK_TEXT(told("rst:0x1 (POWERON_RESET)\r\nboot\n"), "text rst:0x1 (POWERON_RESET)\ntext boot\n");
}

static void text_line_needs_its_line_feed(void)
{
    CHECK_TEXT(told("no end"), "");
}

static void text_loses_its_colours(void)
{
    CHECK_TEXT(told("\x1B[0;32mI (123) main: up\x1B[0m\n"), "text I (123) main: up\n");
}

static void text_with_another_escape_is_discarded(void)
{
    CHECK_TEXT(told("\x1B(Bbell\n"), "");
    CHECK_TEXT(told("cut \x1B[0;3\n"), "");
    CHECK_TEXT(told("cut \x1B\nnext\n"), "text next\n");
}

static void text_with_control_bytes_is_discarded(void)
{
    CHECK_TEXT(told("tab\there\ngood\nhigh \x80\n\x7F....\n"), "text good\n");
}

static void text_length_is_4_to_256_characters(void)
{
    char line[300], want[300];
    CHECK_TEXT(told("abc\nabcd\n"), "text abcd\n");
    memset(line, 'x', sizeof line);
    strcpy(line + 256, "\n");
    strcpy(want, "text ");
    strcat(want, line);
    CHECK_TEXT(told(line), want);
    strcpy(line + 256, "x\n");
    line[256] = 'x';
    CHECK_TEXT(told(line), "");
}

static void packet_ends_and_discards_a_line(void)
{
    stream_clear(&s);
    stream_text(&s, "unfinished");
    ping(0);
    stream_text(&s, "line after\n");
    CHECK_TEXT(stream_findings(&s, EVENTS_MAX_FRAME), "text line after\n");
}

static void text_may_be_left_out(void)
{
    struct camlink_decoder d;
    struct camlink_packet p;
    uint8_t buf[64], *room;
    camlink_decoder_init(&d, buf, sizeof buf, NULL, 0);
    camlink_decoder_room(&d, &room);
    memcpy(room, "some text\n", 10);
    camlink_decoder_fed(&d, 10);
    CHECK_EQ(camlink_decode_next(&d, &p, NULL, NULL), CAMLINK_EVENT_NONE);
    CHECK_EQ(d.discarded_bytes, 10);
}

/* Packets, pictures, text and noise, damaged here and there. */
static void random_stream(uint32_t seed)
{
    uint32_t x = seed;
    uint16_t seq = 0;
    uint32_t no = 1;
    stream_clear(&s);
    while (s.n < 20000) {
        switch (stream_random(&x) % 8) {
        case 0:
            stream_text(&s, "I (1) \x1B[0;31mtext\x1B[0m\r\n");
            break;
        case 1:
            stream_header(&s, (uint8_t)(1 + stream_random(&x) % 2), CAMLINK_LOG, seq++,
                          (uint16_t)(stream_random(&x) % 5000));
            break;
        case 2:
            stream_bytes(&s, "\xFF\xA7\xFF\xFF\xA7", stream_random(&x) % 6);
            break;
        case 3:
            if (s.silences < STREAM_SILENCES) {
                stream_silence(&s);
            }
            break;
        case 4:
            stream_hello(&s, &seq, stream_random(&x) % 4 == 0);
            break;
        case 5:
            ping(seq++);
            break;
        default: {
            uint32_t n = stream_random(&x) % 600 + 1;
            stream_begin(&s, &seq, no, 2 * n, 1);
            stream_chunk(&s, &seq, no, 0, n, false);
            stream_chunk(&s, &seq, no++, n, n, true);
        }
        }
        if (stream_random(&x) % 4 == 0 && s.n > 0) {
            s.bytes[s.n - 1 - stream_random(&x) % (s.n < 100 ? s.n : 100)] ^= 1;
        }
    }
}

static void events_do_not_depend_on_how_the_stream_is_split(void)
{
    static char whole[TRANSCRIPT_MAX];
    for (uint32_t seed = 1; seed <= 20; seed++) {
        random_stream(seed);
        strcpy(whole, stream_events(&s, 1000, 0));
        CHECK(strlen(whole) > 1000);
        CHECK_TEXT(stream_events(&s, 1000, 1), whole);
        CHECK_TEXT(stream_events(&s, 1000, seed + 1), whole);
    }
}

static void a_byte_is_either_of_a_packet_or_discarded_or_undecided(void)
{
    struct camlink_decoder d;
    static uint8_t buf[CAMLINK_MAX_PACKET];
    size_t of_packets = 0;
    random_stream(77);
    camlink_decoder_init(&d, buf, sizeof buf, NULL, 0);
    for (size_t at = 0; at < s.n;) {
        uint8_t *room;
        struct camlink_packet p;
        size_t n = camlink_decoder_room(&d, &room);
        CHECK(n > 0);
        n = n < s.n - at ? n : s.n - at;
        memcpy(room, s.bytes + at, n);
        camlink_decoder_fed(&d, n);
        at += n;
        while (camlink_decode_next(&d, &p, NULL, NULL) == CAMLINK_EVENT_PACKET) {
            of_packets += CAMLINK_HEADER_SIZE + (p.len > 0 ? p.len + 4u : 0);
        }
    }
    CHECK(of_packets > 0);
    CHECK_EQ(of_packets + d.discarded_bytes + (d.end - d.start), s.n);
}

static void length_limit_is_the_protocols_though_the_buffer_is_larger(void)
{
    static uint8_t buf[2 * CAMLINK_MAX_PACKET];
    struct camlink_decoder d;
    struct camlink_packet p;
    uint8_t *room;
    stream_clear(&s);
    stream_header(&s, 1, CAMLINK_PING, 0, 4101);
    camlink_decoder_init(&d, buf, sizeof buf, NULL, 0);
    camlink_decoder_room(&d, &room);
    memcpy(room, s.bytes, s.n);
    camlink_decoder_fed(&d, s.n);
    CHECK_EQ(camlink_decode_next(&d, &p, NULL, NULL), CAMLINK_EVENT_NONE);
    CHECK_EQ(d.length_errors, 1);
}

static void line_longer_than_the_room_for_it_is_discarded(void)
{
    struct camlink_decoder d;
    struct camlink_packet p;
    uint8_t buf[64], *room;
    char line[8];
    const char *text;
    size_t text_len;
    camlink_decoder_init(&d, buf, sizeof buf, line, sizeof line);
    camlink_decoder_room(&d, &room);
    memcpy(room, "12345678\n1234567\n", 17);
    camlink_decoder_fed(&d, 17);
    CHECK_EQ(camlink_decode_next(&d, &p, &text, &text_len), CAMLINK_EVENT_TEXT);
    CHECK_TEXT(text, "1234567");
    CHECK_EQ(text_len, 7);
    CHECK_EQ(camlink_decode_next(&d, &p, &text, &text_len), CAMLINK_EVENT_NONE);
}

void decoder_suite(void)
{
    RUN(good_packets_are_accepted);
    RUN(bad_header_crc_is_noise_whatever_else_is_wrong);
    RUN(other_version_is_told_from_noise);
    RUN(length_above_4100_is_not_believed);
    RUN(damaged_payload_does_not_hide_the_packet_inside_it);
    RUN(inserted_byte_costs_one_packet);
    RUN(sync_may_directly_follow_a_false_one);
    RUN(undecided_bytes_are_not_discarded);
    RUN(lost_packets_are_counted_by_seq);
    RUN(seq_that_went_back_is_no_loss);
    RUN(packet_beyond_a_small_buffer_is_a_length_error);
    RUN(silence_alone_keeps_an_unfinished_packet);
    RUN(silence_frees_a_packet_from_an_unfinished_one);
    RUN(silence_frees_through_nested_unfinished_packets);
    RUN(silence_trusts_only_both_crcs);
    RUN(silence_is_used_up_at_once);
    RUN(text_lines_are_told);
    RUN(text_line_needs_its_line_feed);
    RUN(text_loses_its_colours);
    RUN(text_with_another_escape_is_discarded);
    RUN(text_with_control_bytes_is_discarded);
    RUN(text_length_is_4_to_256_characters);
    RUN(packet_ends_and_discards_a_line);
    RUN(text_may_be_left_out);
    RUN(events_do_not_depend_on_how_the_stream_is_split);
    RUN(a_byte_is_either_of_a_packet_or_discarded_or_undecided);
    RUN(length_limit_is_the_protocols_though_the_buffer_is_larger);
    RUN(line_longer_than_the_room_for_it_is_discarded);
}
