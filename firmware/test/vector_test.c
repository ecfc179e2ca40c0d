/* A vector that says something wrong must fail: else the vectors prove nothing. */
#include "check.h"
#include "events_text.h"

#include <string.h>

static char out[4096], err[4096];

static void read_back(FILE *f, char *to, size_t size)
{
    rewind(f);
    size_t n = fread(to, 1, size - 1, f);
    to[n] = '\0';
    fclose(f);
}

static bool passes(const char *text)
{
    FILE *in = tmpfile(), *o = tmpfile(), *e = tmpfile();
    if (in == NULL || o == NULL || e == NULL) {
        check_fail(__FILE__, __LINE__, "no temporary file");
        return false;
    }
    fputs(text, in);
    rewind(in);
    bool good = events_vector_read("folder/v.txt", in, o, e);
    fclose(in);
    read_back(o, out, sizeof out);
    read_back(e, err, sizeof err);
    return good;
}

#define PACKET "packet type=0x49 flags=0x0 seq=3 ref=7 len=0 crc=0x00000000"
#define END "end header=0 version=0 length=0 payload=0 discarded=0 lost=0"
#define BODY "\n# a comment\nff a7 10 49\n03 00 0000 0700 F005\n"

static void right_vector_passes(void)
{
    CHECK(passes("name: v\nrule: 1\ncomment: c\nmax-frame: 5\nexpect: " PACKET "\nexpect: " END "\n" BODY));
    CHECK_TEXT(out, PACKET "\n" END "\n");
    CHECK_TEXT(err, "");
}

static void vector_with_another_event_fails(void)
{
    CHECK(!passes("name: v\nexpect: lost count=1\nexpect: " END "\n" BODY));
    CHECK_TEXT(err, "folder/v.txt: event 1:\n- lost count=1\n+ " PACKET "\n");
}

static void vector_with_an_event_too_few_or_too_many_fails(void)
{
    CHECK(!passes("name: v\nexpect: " PACKET "\n" BODY));
    CHECK_TEXT(err, "folder/v.txt: event 2:\n- (nothing)\n+ " END "\n");
    CHECK(!passes("name: v\nexpect: " PACKET "\nexpect: " END "\nexpect: " END "\n" BODY));
    CHECK_TEXT(err, "folder/v.txt: event 3:\n- " END "\n+ (nothing)\n");
}

static void unknown_key_fails(void)
{
    CHECK(!passes("name: v\nrules: 1\nexpect: " PACKET "\nexpect: " END "\n" BODY));
    CHECK_TEXT(err, "folder/v.txt:2: unknown key: rules: 1\n");
}

static void unknown_event_fails(void)
{
    CHECK(!passes("name: v\nexpect: pocket\n" BODY));
    CHECK(strstr(err, "unknown event: pocket") != NULL);
}

static void missing_or_wrong_name_fails(void)
{
    CHECK(!passes("expect: " PACKET "\nexpect: " END "\n" BODY));
    CHECK(!passes("name: w\nexpect: " PACKET "\nexpect: " END "\n" BODY));
}

static void body_that_is_not_hex_fails(void)
{
    CHECK(!passes("name: v\nexpect: " END "\n\nf\n"));
    CHECK(!passes("name: v\nexpect: " END "\n\nzz\n"));
    CHECK(!passes("name: v\nexpect: " END "\n\nquiet\n"));
}

static void max_frame_that_is_no_number_fails(void)
{
    CHECK(!passes("name: v\nmax-frame: 4k\nexpect: " END "\n\n"));
}

static void silence_is_told_to_the_receiver(void)
{
    CHECK(passes("name: v\n"
                 "expect: " PACKET "\n"
                 "expect: end header=0 version=0 length=0 payload=1 discarded=12 lost=0\n\n"
                 "ffa7101100004000000011fe\n"
                 "ffa71049030000000700f005\n"
                 "silence\n"));
    CHECK_TEXT(err, "");
}

void vector_suite(void)
{
    RUN(right_vector_passes);
    RUN(vector_with_another_event_fails);
    RUN(vector_with_an_event_too_few_or_too_many_fails);
    RUN(unknown_key_fails);
    RUN(unknown_event_fails);
    RUN(missing_or_wrong_name_fails);
    RUN(body_that_is_not_hex_fails);
    RUN(max_frame_that_is_no_number_fails);
    RUN(silence_is_told_to_the_receiver);
}
