/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names, arity, texts and keys, over the real table without its handlers, and over rows made
 * here for the key specs that no listed command has yet.
 */
#include "unit.h"

#define COMMAND_TABLE_NO_HANDLERS
#include "commands_table.c"

static const struct command *find(const char *name)
{
    return command_lookup(name, strlen(name));
}

/* Splits at blanks; the words stay in the literal. */
static int words_of(const char *text, struct arg *argv)
{
    int argc = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        argv[argc++] = arg_of(text, len);
        text += len + (text[len] == ' ');
    }
    return argc;
}

TEST(every_name_is_found_in_any_case)
{
    command_setup(&commands_table);
    for (unsigned id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        size_t len = strlen(cmd->name);
        CHECK_INT(cmd->id, id);
        CHECK_INT(cmd->name_len, len);
        /* Exact size, so that a read beyond the end is seen by the sanitizer. */
        char *text = malloc(len);
        for (int round = 0; round < 20; round++) {
            for (size_t i = 0; i < len; i++) {
                bool letter = cmd->name[i] >= 'a' && cmd->name[i] <= 'z';
                text[i] = (char)(cmd->name[i] - (letter && unit_rand_below(2) ? 32 : 0));
            }
            const struct command *found = cmd->parent ? command_lookup_sub(cmd->parent, text, len)
                                                      : command_lookup(text, len);
            CHECK_MSG(found == cmd, "%s isn't found", cmd->fullname);
        }
        free(text);
        CHECK(command_lookup_full(cmd->fullname, strlen(cmd->fullname)) == cmd);
    }
    command_teardown();
}

static enum status rename_to(const char *from, const char *to)
{
    return command_rename(view_cstr(from), view_cstr(to));
}

TEST(commands_get_other_names)
{
    command_setup(&commands_table);
    const struct command *get = find("get"), *set = find("set"), *client = find("client");
    CHECK_INT(rename_to("nothing", "x"), STATUS_NOT_FOUND);
    CHECK_INT(rename_to("client|list", "x"), STATUS_NOT_FOUND);
    CHECK_INT(rename_to("", "x"), STATUS_NOT_FOUND);
    CHECK_INT(rename_to("GET", "MyGet"), STATUS_OK);
    CHECK(find("get") == NULL && find("myget") == get && find("MYGET") == get);
    CHECK(command_row_named("Get", 3) == get && command_row_named("myget", 5) == NULL);
    CHECK_INT(rename_to("get", "x"), STATUS_NOT_FOUND);
    CHECK_INT(rename_to("set", "get"), STATUS_OK);
    CHECK(find("get") == set && find("set") == NULL);
    CHECK_INT(rename_to("get", "set"), STATUS_OK); /* its own again */
    CHECK(find("set") == set && find("get") == NULL);
    CHECK_INT(rename_to("myget", "a\xff"), STATUS_OK);
    CHECK(find("A\xff") == get && find("myget") == NULL && command_has_name(get));
    CHECK_INT(rename_to("client", "a name that is longer than any name of the table"), STATUS_OK);
    CHECK(find("A name that is longer than any name of the tablE") == client);
    CHECK(command_has_name(command_lookup_sub(client, "list", 4)));
    CHECK_INT(rename_to("a name that is longer than any name of the table", ""), STATUS_OK);
    CHECK(!command_has_name(client) && !command_has_name(command_lookup_sub(client, "list", 4)));
    CHECK(command_row_named("client|list", 11) == command_lookup_sub(client, "list", 4));
    CHECK_INT(rename_to("del", "sET"), STATUS_EXISTS);
    CHECK(find("del") == NULL && find("set") == set);
    command_teardown();
    command_setup(&commands_table);
    CHECK(find("get") == get && find("client") == client && command_has_name(client));
    command_teardown();
}

/* All commands under one another's names, and back. */
TEST(names_are_dealt_anew)
{
    command_setup(&commands_table);
    unsigned count = command_top_count(), name_of[1024];
    ASSERT(count <= 1024);
    for (unsigned id = 0; id < count; id++) {
        char interim[16];
        snprintf(interim, sizeof(interim), "#%u", id);
        name_of[id] = id;
        CHECK_INT(rename_to(command_by_id(id)->name, interim), STATUS_OK);
    }
    for (unsigned id = count - 1; id > 0; id--) {
        unsigned other = (unsigned)unit_rand_below(id + 1), name = name_of[id];
        name_of[id] = name_of[other];
        name_of[other] = name;
    }
    for (unsigned id = 0; id < count; id++) {
        char interim[16];
        snprintf(interim, sizeof(interim), "#%u", id);
        CHECK_INT(rename_to(interim, command_by_id(name_of[id])->name), STATUS_OK);
    }
    for (unsigned id = 0; id < count; id++) {
        const char *name = command_by_id(name_of[id])->name;
        CHECK_MSG(find(name) == command_by_id(id), "%s isn't found", name);
        CHECK(command_row_named(name, strlen(name)) == command_by_id(name_of[id]));
    }
    command_teardown();
}

TEST(near_misses_are_not_found)
{
    command_setup(&commands_table);
    CHECK(find("get") != NULL);
    static const char *const wrong[] = {"g",
                                        "ge",
                                        "gett",
                                        "get ",
                                        "g\x65t\x01",
                                        "\x07"
                                        "et",
                                        "client|id",
                                        "client|",
                                        "|",
                                        "@et",
                                        "rg_pyexecute",
                                        "rg\x0epyexecute",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        CHECK_MSG(!find(wrong[i]), "%s is found", wrong[i]);
    CHECK(!command_lookup("", 0));
    CHECK(!command_lookup("get\0", 4));
    CHECK(!command_lookup("\0get", 4));
    CHECK(!command_lookup("\xc7\xc5\xd4", 3)); /* GET with high bits */
    CHECK(!command_lookup_full("client|", 7));
    CHECK(!command_lookup_full("get|x", 5));
    CHECK(!command_lookup_full("client|id|x", 11));
    CHECK(!command_lookup_full("|id", 3));
    command_teardown();
}

TEST(random_bytes_are_looked_up_as_a_plain_search_would)
{
    command_setup(&commands_table);
    for (long round = unit_rounds(200000); round > 0; round--) {
        /* A name with a byte or two changed, so that near misses are frequent. */
        const struct command *base = command_by_id((unsigned)unit_rand_below(command_top_count()));
        char text[32];
        size_t len = base->name_len;
        memcpy(text, base->name, len);
        if (unit_rand_below(2)) text[unit_rand_below(len)] = (char)unit_rand();
        if (unit_rand_below(4) == 0) text[unit_rand_below(len)] ^= 32;
        if (unit_rand_below(8) == 0) len = unit_rand_below(len + 1);
        const struct command *want = NULL;
        for (unsigned id = 0; id < command_top_count(); id++) {
            if (view_eq_nocase(view_of(text, len), command_by_id(id)->name) &&
                memchr(text, 0, len) == NULL)
                want = command_by_id(id);
        }
        CHECK(command_lookup(text, len) == want);
    }
    command_teardown();
}

TEST(resolve_goes_into_containers)
{
    struct arg argv[8];
    const struct command *cmd;
    command_setup(&commands_table);
    CHECK_INT(command_resolve(argv, words_of("GeT a", argv), &cmd), STATUS_OK);
    CHECK_STR(cmd->fullname, "get");
    CHECK(command_arity_ok(cmd, 2) && !command_arity_ok(cmd, 1) && !command_arity_ok(cmd, 3));
    CHECK_INT(command_resolve(argv, words_of("CLIENT List", argv), &cmd), STATUS_OK);
    CHECK_STR(cmd->fullname, "client|list");
    CHECK_STR(cmd->name, "list");
    CHECK_STR(cmd->parent->name, "client");
    CHECK(command_arity_ok(cmd, 2) && command_arity_ok(cmd, 9) && !command_arity_ok(cmd, 1));
    CHECK_INT(command_resolve(argv, words_of("client", argv), &cmd), STATUS_OK);
    CHECK_STR(cmd->fullname, "client");
    CHECK(!command_arity_ok(cmd, 1));
    CHECK_INT(command_resolve(argv, words_of("client get", argv), &cmd), STATUS_NOT_FOUND);
    CHECK_STR(cmd->fullname, "client");
    CHECK_INT(command_resolve(argv, words_of("nosuch get", argv), &cmd), STATUS_NOT_FOUND);
    CHECK(cmd == NULL);
    command_teardown();
}

TEST(unknown_texts_are_cut_as_stock_does)
{
    struct arg argv[40];
    struct buf out = {0};
    command_setup(&commands_table);
    command_unknown_text(NULL, argv, words_of("foo a b", argv), &out);
    CHECK_STR(buf_cstr(&out), "ERR unknown command 'foo', with args beginning with: 'a' 'b' ");
    buf_clear(&out);
    command_unknown_text(NULL, argv, words_of("foo", argv), &out);
    CHECK_STR(buf_cstr(&out), "ERR unknown command 'foo', with args beginning with: ");
    buf_clear(&out);
    command_unknown_text(find("client"), argv, words_of("client foo", argv), &out);
    CHECK_STR(buf_cstr(&out), "ERR unknown subcommand 'foo'. Try CLIENT HELP.");
    buf_clear(&out);
    for (int i = 0; i < 30; i++) argv[i] = arg_of("12345678901234567890", 20);
    command_unknown_text(NULL, argv, 30, &out);
    CHECK_STR(buf_cstr(&out),
              "ERR unknown command '12345678901234567890', with args beginning with: "
              "'12345678901234567890' '12345678901234567890' '12345678901234567890' "
              "'12345678901234567890' '12345678901234567890' '1234567890123' ");
    buf_release(&out);
    command_teardown();
}

/* Runs command_keys and prints what it found: "1 3 " or "invalid". */
static const char *keys_of(const struct command *cmd, const char *text, char shown[static 200])
{
    struct arg argv[40];
    struct command_keys keys = {0};
    int argc = words_of(text, argv);
    shown[0] = 0;
    if (command_keys(cmd, argv, argc, &keys)) {
        strcpy(shown, "invalid");
    } else {
        for (int i = 0; i < keys.count; i++)
            snprintf(shown + strlen(shown), 8, "%d ", keys.keys[i].pos);
    }
    command_keys_release(&keys);
    return shown;
}

TEST(keys_of_listed_commands)
{
    char shown[200];
    command_setup(&commands_table);
    CHECK_STR(keys_of(find("get"), "get a", shown), "1 ");
    CHECK_STR(keys_of(find("mset"), "mset a 1 b 2 c 3", shown), "1 3 5 ");
    CHECK_STR(keys_of(find("mset"), "mset a 1 b", shown), "1 3 ");
    CHECK_STR(keys_of(find("rename"), "rename a b", shown), "1 2 ");
    CHECK_STR(keys_of(find("ping"), "ping a", shown), "");
    CHECK_STR(keys_of(command_lookup_full("object|freq", 11), "object freq a", shown), "2 ");
    CHECK_STR(keys_of(find("del"), "del 1 2 3 4 5 6 7 8 9 a b c d e f g h i j k", shown),
              "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 ");
    command_teardown();
}

TEST(variable_flags_follow_the_arguments)
{
    struct command_keys keys = {0};
    struct arg argv[8];
    command_setup(&commands_table);
    const struct command *set = find("set");
    CHECK_INT(command_keys(set, argv, words_of("set k get", argv), &keys), STATUS_OK);
    CHECK_INT(keys.keys[0].flags, COMMAND_KEY_OW | COMMAND_KEY_UPDATE);
    CHECK_INT(command_keys(set, argv, words_of("set k v nx GeT", argv), &keys), STATUS_OK);
    CHECK_INT(keys.keys[0].flags, COMMAND_KEY_RW | COMMAND_KEY_ACCESS | COMMAND_KEY_UPDATE);
    static const struct {
        const char *words;
        bool reads;
    } calls[] = {
        {"bitfield k", true}, {"bitfield k GET u8 0", true}, {"bitfield k get u8 get", true},
        {"bitfield k overflow wrap get u8 1", true}, {"bitfield k get u8 overflow", true},
        {"bitfield k set u8 0 1", false}, {"bitfield k get u8", false}, {"bitfield k x", false},
        {"bitfield k get u8 0 set", false}, {"bitfield k overflow", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        int argc = words_of(calls[i].words, argv);
        CHECK_INT(command_keys(find("bitfield"), argv, argc, &keys), STATUS_OK);
        CHECK_INT(keys.keys[0].flags, COMMAND_KEY_ACCESS |
                  (calls[i].reads ? COMMAND_KEY_RO : COMMAND_KEY_RW | COMMAND_KEY_UPDATE));
    }
    command_keys_release(&keys);
    command_teardown();
}

TEST(keys_behind_options)
{
    char shown[200];
    command_setup(&commands_table);
    static const struct {
        const char *call, *keys;
    } calls[] = {
        {"sort k", "1 "}, {"sort k store", "1 "}, {"sort k store d", "1 3 "},
        {"sort k STORE d sTore e", "1 5 "}, {"sort k store d store", "1 3 "},
        {"sort k by store d", "1 "}, {"sort k limit store store d", "1 "},
        {"sort k limit 0 1 get store store x", "1 8 "}, {"sort k get", "1 "},
        {"sort k limit 1", "1 "}, {"sort store d", "1 "}, {"sort_ro k store d", "1 "},
        {"migrate h 1 k 0 10", "3 "}, {"migrate h 1 k 0 10 copy auth keys", "3 "},
        {"migrate h 1 k 0 10 keys a", "invalid"}, {"migrate h 1 keys 0 keys", "3 "},
        {"xread streams a b 1 2", "2 3 "}, {"xread count 1", "invalid"},
        {"xreadgroup group g c streams a 1", "5 "}, {"xreadgroup group g c count 1", "invalid"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        struct arg name = arg_of(calls[i].call, strcspn(calls[i].call, " "));
        const struct command *cmd = command_lookup(name.ptr, name.len);
        CHECK_MSG(!strcmp(keys_of(cmd, calls[i].call, shown), calls[i].keys), "%s: %s",
                  calls[i].call, shown);
    }
    command_teardown();
}

TEST(migrate_names_keys_behind_an_empty_one)
{
    static const char *const words[] = {"migrate", "h", "1", "", "0", "10", "auth", "KEYS",
                                        "keys", "a", "keys"};
    struct arg argv[ARRAY_COUNT(words)];
    struct command_keys keys = {0};
    command_setup(&commands_table);
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) argv[i] = arg_of(words[i], strlen(words[i]));
    const struct command *migrate = find("migrate");
    CHECK_INT(command_keys(migrate, argv, 11, &keys), STATUS_OK);
    CHECK_INT(keys.count, 2);
    CHECK_INT(keys.keys[0].pos, 9);
    CHECK_INT(keys.keys[1].pos, 10);
    CHECK_INT(keys.keys[1].flags, COMMAND_KEY_RW | COMMAND_KEY_ACCESS | COMMAND_KEY_DELETE);
    for (int argc = 6; argc <= 9; argc++) {
        CHECK_INT(command_keys(migrate, argv, argc, &keys), STATUS_OK);
        CHECK_INT(keys.count, 1);
        CHECK_INT(keys.keys[0].pos, 3);
    }
    command_keys_release(&keys);
    command_teardown();
}

static const struct command_key_spec keynum_spec = {.flags = COMMAND_KEY_RO,
                                                    .begin = COMMAND_BEGIN_INDEX,
                                                    .index = 1,
                                                    .find = COMMAND_FIND_KEYNUM,
                                                    .keynum_index = 0,
                                                    .first_key = 1,
                                                    .key_step = 1};

TEST(numkeys_is_never_trusted)
{
    char shown[200];
    const struct command cmd = {.key_specs = &keynum_spec, .key_spec_count = 1, .arity = -3};
    CHECK_STR(keys_of(&cmd, "z 2 a b c", shown), "2 3 ");
    CHECK_STR(keys_of(&cmd, "z 3 a b c", shown), "2 3 4 ");
    static const char *const bad[] = {"z 4 a b c",
                                      "z 0 a b c",
                                      "z -1 a b c",
                                      "z x a b c",
                                      "z 01 a b c",
                                      "z 2147483648 a b c",
                                      "z 4294967298 a b c",
                                      "z 9223372036854775807 a b c",
                                      "z -9223372036854775808 a b c",
                                      "z 99999999999999999999 a b c",
                                      "z 2"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_MSG(!strcmp(keys_of(&cmd, bad[i], shown), "invalid"), "%s: %s", bad[i], shown);
    const struct command lax = {
        .key_specs = &keynum_spec, .key_spec_count = 1, .flags = COMMAND_NO_MANDATORY_KEYS};
    CHECK_STR(keys_of(&lax, "z 9223372036854775807 a b c", shown), "");
}

TEST(keyword_specs_search_both_ways)
{
    char shown[200];
    struct command_key_spec spec = {.begin = COMMAND_BEGIN_KEYWORD,
                                    .keyword = "KEYS",
                                    .start_from = 1,
                                    .find = COMMAND_FIND_RANGE,
                                    .last_key = -1,
                                    .key_step = 1};
    const struct command cmd = {.key_specs = &spec, .key_spec_count = 1};
    CHECK_STR(keys_of(&cmd, "m a keys b c keys d", shown), "3 4 5 6 ");
    CHECK_STR(keys_of(&cmd, "m a b c", shown), "invalid");
    CHECK_STR(keys_of(&cmd, "m a b keys", shown), "invalid");
    spec.start_from = -2;
    CHECK_STR(keys_of(&cmd, "m a keys b c keys d", shown), "6 ");
    CHECK_STR(keys_of(&cmd, "keys a", shown), "invalid");
    CHECK_STR(keys_of(&cmd, "m", shown), "invalid");
    const struct command lax = {
        .key_specs = &spec, .key_spec_count = 1, .flags = COMMAND_NO_MANDATORY_KEYS};
    CHECK_STR(keys_of(&lax, "m a b c", shown), "");
    spec.start_from = 1;
    spec.limit = 2;
    CHECK_STR(keys_of(&cmd, "x keys a b 1 2", shown), "2 3 ");
    CHECK_STR(keys_of(&cmd, "x keys a", shown), "invalid");
}

TEST(random_specs_stay_inside_argv)
{
    struct arg argv[24];
    struct command_keys keys = {0};
    static const char *const texts[] = {"KEYS", "1", "2", "0", "-1", "99", "9223372036854775807"};
    for (long round = unit_rounds(200000); round > 0; round--) {
        struct command_key_spec spec = {.begin = (uint8_t)unit_rand_below(3),
                                        .find = (uint8_t)unit_rand_below(3),
                                        .index = (int16_t)(1 + unit_rand_below(6)),
                                        .keyword = "KEYS",
                                        .start_from = (int16_t)(unit_rand_below(9) - 4),
                                        .last_key = (int16_t)(unit_rand_below(9) - 4),
                                        .key_step = (int16_t)(1 + unit_rand_below(3)),
                                        .limit = (int16_t)unit_rand_below(4),
                                        .keynum_index = (int16_t)unit_rand_below(3),
                                        .first_key = (int16_t)unit_rand_below(3)};
        const struct command cmd = {.key_specs = &spec, .key_spec_count = 1};
        int argc = 1 + (int)unit_rand_below(20);
        for (int i = 0; i < argc; i++) {
            const char *text = texts[unit_rand_below(ARRAY_COUNT(texts))];
            argv[i] = arg_of(text, strlen(text));
        }
        if (command_keys(&cmd, argv, argc, &keys)) continue;
        for (int i = 0; i < keys.count; i++)
            CHECK(keys.keys[i].pos >= 0 && keys.keys[i].pos < argc);
    }
    command_keys_release(&keys);
}

TEST(category_names)
{
    CHECK_INT(command_acl_by_name(VIEW_LIT("KeySpace")), COMMAND_ACL_KEYSPACE);
    CHECK_INT(command_acl_by_name(VIEW_LIT("gears")), COMMAND_ACL_GEARS);
    CHECK_INT(command_acl_by_name(VIEW_LIT("")), 0);
    CHECK_INT(command_acl_by_name(VIEW_LIT("@read")), 0);
    CHECK_STR(command_flag_name(19), "allow_busy");
    CHECK(command_flag_name(20) == NULL && command_flag_name(31) == NULL);
    CHECK_STR(command_key_flag_name(10), "variable_flags");
}

TEST(statistics_start_and_restart_at_zero)
{
    command_setup(&commands_table);
    struct command_stats *stats = command_stats_of(find("get"));
    CHECK_INT(stats->calls, 0);
    stats->calls = 7;
    command_stats_reset();
    CHECK_INT(stats->calls, 0);
    command_teardown();
    command_teardown();
}
