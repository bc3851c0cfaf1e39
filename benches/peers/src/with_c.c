/* The rival in C: a packed structure walked by a pointer. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma pack(push, 1)
struct event {
    uint32_t id;
    uint32_t date_time;
    uint32_t device_id;
    char user_id[32];
    uint8_t sub_code;
    uint8_t main_code;
    uint8_t param;
    uint8_t image : 1;
    uint8_t daylight_saving : 1;
    uint8_t half_hour : 1;
    uint8_t hours : 4;
    uint8_t negative : 1;
};
#pragma pack(pop)

_Static_assert(sizeof(struct event) == 48, "an event has 48 bytes");

struct sums {
    uint64_t ids;
    uint64_t of_user;
    uint64_t images;
    uint64_t daylight_saving;
    int64_t offset_minutes;
};

static int has_user(const struct event *event)
{
    if (event->main_code == 0x11 && event->sub_code == 0x02)
        return 0;
    return (event->main_code >= 0x10 && event->main_code <= 0x1E)
        || (event->main_code >= 0x20 && event->main_code <= 0x2A)
        || event->main_code == 0x80;
}

static inline void touch(const struct event *event, const char *user_id, struct sums *sums, uint64_t *main_codes)
{
    int minutes = event->hours * 60 + event->half_hour * 30;

    sums->ids += event->id;
    main_codes[event->main_code]++;
    if (memcmp(event->user_id, user_id, sizeof event->user_id) == 0 && has_user(event))
        sums->of_user++;
    sums->images += event->image;
    sums->daylight_saving += event->daylight_saving;
    sums->offset_minutes += event->negative ? -minutes : minutes;
}

struct sums touch_events(const uint8_t *bytes, size_t count, const char *user_id, uint64_t *main_codes)
{
    const struct event *event = (const struct event *)bytes;
    const struct event *end = event + count;
    struct sums sums = {0};

    for (; event != end; event++)
        touch(event, user_id, &sums, main_codes);
    return sums;
}

struct sums touch_two_at_once(const uint8_t *bytes, size_t count, const char *user_id, uint64_t *main_codes)
{
    const struct event *event = (const struct event *)bytes;
    const struct event *end = event + count;
    struct sums sums = {0};

    for (; end - event >= 2000; event += 1000) {
        for (const struct event *half = event + 1000; event != half; event++) {
            touch(event, user_id, &sums, main_codes);
            touch(event + 1000, user_id, &sums, main_codes);
        }
    }
    for (; event != end; event++)
        touch(event, user_id, &sums, main_codes);
    return sums;
}
