/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LOLWUT: a picture and the version. The sizes that may be asked for, and those of the pictures,
 * are stock's; the pictures are our own.
 *
 *   VERSION 5 [columns [squares in a row [squares in a column]]]
 *       Squares that lose their order from row to row, after what Georg Nees had a plotter draw in
 *       1968, in characters of two by four dots (Unicode's Braille patterns).
 *   VERSION 6 [columns [rows]]
 *       Cogwheels, in cells of four shades.
 *   anything else
 *       The version alone.
 *
 * A picture of version 5 has at most DOTS_MAX dots, whatever is asked for: there are fewer rows
 * then. Thread: whoever runs the command.
 */
#include <math.h>

#include "base/mem.h"
#include "base/random.h"
#include "base/version.h"
#include "commands_table.h"
#include "exec/reply.h"

#define DOTS_MAX (32.0 * 1000 * 1000)

/* Uniform in [-1, 1). */
static double random_swing(void)
{
    return (double)(random_u64() >> 11) * 0x1p-52 - 1;
}

/* Argument i, held within [min, max]; `dflt` if there is none. */
static enum status arg_within(struct exec_ctx *ctx, int i, int64_t max, int64_t dflt, int64_t *out)
{
    *out = dflt;
    if (i >= ctx->argc) return STATUS_OK;
    if (arg_i64(ctx, i, out)) return STATUS_ERR;
    *out = MIN(MAX(*out, 1), max);
    return STATUS_OK;
}

static enum status reply_picture(struct exec_ctx *ctx, struct buf *picture, const char *title)
{
    buf_printf(picture, "%sRedis ver. %s\n", title, STOCK_VERSION);
    reply_verbatim(ctx, "txt", picture->ptr, picture->len);
    buf_release(picture);
    return STATUS_OK;
}

/* ---- dots ---- */

struct dots {
    int64_t columns, rows; /* of characters */
    uint8_t *cells;        /* a bit for each dot, in the order of the Unicode block */
};

static void dot_set(struct dots *d, double x, double y)
{
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (!(x >= 0 && y >= 0 && x < (double)d->columns * 2 && y < (double)d->rows * 4)) return;
    int64_t left = (int64_t)x, down = (int64_t)y;
    d->cells[down / 4 * d->columns + left / 2] |= bits[down % 4][left % 2];
}

static void dots_line(struct dots *d, double x, double y, double to_x, double to_y)
{
    int steps = (int)ceil(fmax(fabs(to_x - x), fabs(to_y - y)));
    for (int i = 0; i <= steps; i++) {
        double part = steps ? (double)i / steps : 0;
        dot_set(d, x + (to_x - x) * part, y + (to_y - y) * part);
    }
}

/* A square by its middle, its side and the angle by which it is turned. */
static void dots_square(struct dots *d, double x, double y, double side, double angle)
{
    double along = side / 2 * (cos(angle) - sin(angle));
    double across = side / 2 * (cos(angle) + sin(angle));
    double corners[4][2] = {{x - along, y - across}, {x + across, y - along},
                            {x + along, y + across}, {x - across, y + along}};
    for (int i = 0; i < 4; i++) {
        const double *to = corners[(i + 1) % 4];
        dots_line(d, corners[i][0], corners[i][1], to[0], to[1]);
    }
}

static void dots_print(const struct dots *d, struct buf *out)
{
    buf_reserve(out, (size_t)(d->rows * (d->columns * 3 + 1)));
    for (int64_t row = 0; row < d->rows; row++) {
        for (int64_t column = 0; column < d->columns; column++) {
            unsigned bits = d->cells[row * d->columns + column];
            char *p = out->ptr + out->len;
            p[0] = (char)0xE2; /* U+2800 + bits */
            p[1] = (char)(0xA0 | bits >> 6);
            p[2] = (char)(0x80 | (bits & 63));
            out->len += 3;
        }
        out->ptr[out->len++] = '\n';
    }
}

/* ---- version 5 ---- */

static enum status squares(struct exec_ctx *ctx)
{
    int64_t columns, across, down;
    if (arg_within(ctx, 3, 1000, 66, &columns) || arg_within(ctx, 4, 200, 8, &across) ||
        arg_within(ctx, 5, 200, 12, &down))
        return STATUS_ERR;
    double width = (double)columns * 2, margin = width > 4 ? 2 : 0;
    double side = (width - 2 * margin) / (double)across;
    while (down > 1 && (side * (double)down + 2 * margin) * width > DOTS_MAX) down--;
    struct dots d = {.columns = columns};
    d.rows = ((int64_t)(side * (double)down + 2 * margin) + 3) / 4;
    d.cells = mem_zalloc((size_t)(d.columns * d.rows) + 1);
    for (int64_t y = 0; y < down; y++) {
        double chaos = down > 1 ? (double)y / (double)(down - 1) : 0;
        for (int64_t x = 0; x < across; x++) {
            double moved = side * 0.3 * chaos;
            dots_square(&d, margin + side * ((double)x + 0.5) + moved * random_swing(),
                        margin + side * ((double)y + 0.5) + moved * random_swing(), side,
                        chaos * 0.8 * random_swing());
        }
    }
    struct buf picture = {0};
    dots_print(&d, &picture);
    mem_free(d.cells);
    return reply_picture(ctx, &picture, "\nGeorg Nees - schotter, plotter on paper, 1968. ");
}

/* ---- version 6 ---- */

enum shade { BLACK, DARK, LIGHT, WHITE };

struct wheel {
    double x, y, radius; /* in widths of a cell */
    double turned;
    int teeth;
    enum shade shade;
};

/* Whether a point at (x, y) from the middle is of the wheel. The angle is needed only among the
 * teeth. */
static bool wheel_has(const struct wheel *w, double x, double y)
{
    double away = x * x + y * y, tooth = w->radius * 0.82;
    if (away > w->radius * w->radius || away < w->radius * w->radius * 0.06) return false;
    return away < tooth * tooth || cos(atan2(y, x) * w->teeth + w->turned) > 0;
}

/* A cell is twice as high as it is wide. */
static void wheel_draw(const struct wheel *w, int64_t columns, int64_t rows, uint8_t *cells)
{
    double left = MAX(0, w->x - w->radius), right = MIN((double)columns - 1, w->x + w->radius);
    double top = MAX(0, w->y - w->radius) / 2, low = MIN((double)rows - 1, (w->y + w->radius) / 2);
    for (int64_t row = (int64_t)top; row <= (int64_t)low; row++)
        for (int64_t column = (int64_t)left; column <= (int64_t)right; column++)
            if (wheel_has(w, (double)column - w->x, (double)row * 2 - w->y))
                cells[row * columns + column] = (uint8_t)w->shade;
}

static enum status wheels(struct exec_ctx *ctx)
{
    static const char *const shades[] = {"\033[0;30;40m \033[0m", "\033[0;90;100m \033[0m",
                                         "\033[0;37;47m \033[0m", "\033[0;97;107m \033[0m"};
    int64_t columns, rows;
    if (arg_within(ctx, 3, 1000, 80, &columns) || arg_within(ctx, 4, 1000, 20, &rows))
        return STATUS_ERR;
    uint8_t *cells = mem_alloc((size_t)(columns * rows));
    memset(cells, WHITE, (size_t)(columns * rows));
    double largest = (double)MIN(columns, rows * 2) / 2;
    for (int i = 0, count = 4 + (int)random_below(5); i < count; i++) {
        struct wheel w = {.x = (double)columns * (random_swing() + 1) / 2,
                          .y = (double)rows * (random_swing() + 1),
                          .radius = largest * (0.7 + 0.3 * random_swing()),
                          .turned = random_swing() * 4,
                          .teeth = 8 + (int)random_below(9),
                          .shade = (enum shade)random_below(3)};
        wheel_draw(&w, columns, rows, cells);
    }
    struct buf picture = {0};
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < columns; column++)
            buf_append_cstr(&picture, shades[cells[row * columns + column]]);
        buf_append_char(&picture, '\n');
    }
    mem_free(cells);
    return reply_picture(ctx, &picture,
                         "No wheel of these was turned by a machine of eight bits,\n"
                         "but all of them are in gear. ");
}

enum status cmd_lolwut(struct exec_ctx *ctx)
{
    int64_t version = 0;
    if (ctx->argc > 2 && arg_is(&ctx->argv[1], "version") && arg_i64(ctx, 2, &version))
        return STATUS_ERR;
    if (version == 5) return squares(ctx);
    if (version == 6) return wheels(ctx);
    struct buf picture = {0};
    return reply_picture(ctx, &picture, "");
}
