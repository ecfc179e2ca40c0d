/* settings: what is written to flash, and when. */
#include "check.h"

#include "fake.h"
#include "settings.h"

static bool flush_later(void)
{
    settings_flush((uint64_t)fake.now_us);
    fake.now_us += 3000000;
    return settings_flush((uint64_t)fake.now_us);
}

static void test_kept_and_loaded(void)
{
    int32_t value = 0;
    CHECK(settings_open());
    CHECK(!settings_load(2, &value));
    settings_keep(2, 31);
    CHECK(flush_later());
    CHECK(settings_load(2, &value));
    CHECK_EQ(value, 31);
    CHECK_EQ(fake.nvs.commits, 1);
}

static void test_same_value_is_not_written(void)
{
    CHECK(settings_open());
    settings_keep(2, 31);
    CHECK(flush_later());
    for (int i = 0; i < 50; i++) {
        settings_keep(2, 31);
        CHECK(!flush_later());
    }
    CHECK_EQ(fake.nvs.writes, 1);
    CHECK_EQ(fake.nvs.commits, 1);
}

static void test_a_burst_is_one_write(void)
{
    CHECK(settings_open());
    for (int i = 0; i < 100; i++) {
        settings_keep(4, i % 5);
        CHECK(!settings_flush((uint64_t)fake.now_us));
        fake.now_us += 10000;
    }
    fake.now_us += 2000000;
    CHECK(settings_flush((uint64_t)fake.now_us));
    CHECK_EQ(fake.nvs.writes, 1);
    int32_t value;
    CHECK(settings_load(4, &value));
    CHECK_EQ(value, 4);
}

static void test_nothing_due_nothing_written(void)
{
    CHECK(settings_open());
    CHECK(!flush_later());
    CHECK_EQ(fake.nvs.commits, 0);
}

static void test_full_store(void)
{
    CHECK(settings_open());
    fake.nvs.full = true;
    settings_keep(2, 10);
    CHECK(!flush_later());
    CHECK(fake_logged("key 2 not kept"));
    CHECK_EQ(fake.nvs.commits, 0);
    fake.nvs.full = false;
    settings_keep(2, 10);
    CHECK(flush_later());
}

static void test_failed_commit_is_told(void)
{
    CHECK(settings_open());
    fake.nvs.fail_commit = true;
    settings_keep(2, 10);
    CHECK(flush_later());
    CHECK(fake_logged("commit failed"));
}

static void test_worn_store_is_erased_once(void)
{
    fake.nvs.init_results[0] = ESP_ERR_NVS_NO_FREE_PAGES;
    CHECK(settings_open());
    CHECK_EQ(fake.nvs.erases, 1);
    CHECK_EQ(fake.nvs.inits, 2);
}

static void test_without_a_store(void)
{
    fake.nvs.init_results[0] = ESP_FAIL;
    CHECK(!settings_open());
    CHECK_EQ(fake.nvs.erases, 0);
    int32_t value;
    settings_keep(2, 10);
    CHECK(!flush_later());
    CHECK(!settings_load(2, &value));
    CHECK_EQ(fake.nvs.writes, 0);
}

static void test_keys_outside_are_ignored(void)
{
    CHECK(settings_open());
    settings_keep(SETTINGS_KEYS, 1);
    settings_keep(UINT16_MAX, 1);
    CHECK(!flush_later());
}

void settings_suite(void)
{
    RUN(test_kept_and_loaded);
    RUN(test_same_value_is_not_written);
    RUN(test_a_burst_is_one_write);
    RUN(test_nothing_due_nothing_written);
    RUN(test_full_store);
    RUN(test_failed_commit_is_told);
    RUN(test_worn_store_is_erased_once);
    RUN(test_without_a_store);
    RUN(test_keys_outside_are_ignored);
}
