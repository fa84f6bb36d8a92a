// Batch normalisation over (rows, channels) in training, with the addition and the ReLU behind it: y = f(BN(x) + r).
//
// Forward reads x twice and r once and writes y; backward reads dy and y once or twice and x twice, and writes dx (and
// dr). As separate operations they would read and write every map once more each, and a CPU waits for its memory.
//
// A map is channels-last: rows = N H W, the channels of a pixel side by side. It is worked on in groups of 64 values as
// four vectors of 16 floats, in memory order; what belongs to a channel (mean, scale, ...) is laid out in tables of the
// same order, as long as the shortest stretch of memory that is whole groups and whole rows: a period. The work is cut
// into chunks whose size does not depend on the number of threads, so neither does any result.
//
// bfloat16: 32 values make 16 words. The upper half of a word is, cleared below, a float; so is the lower half, shifted
// up. A vector of words gives a vector of the odd values and one of the even ones, and no value changes its width.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

typedef float Floats __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));

constexpr int64_t LANES = 16, GROUP = 64, CHUNK = 1 << 15;

template <typename To, typename From>
inline To as(const From& from) {
    To to;
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    std::memcpy(&to, &from, sizeof(To));
    return to;
}

template <typename Vector>
inline Vector load(const void* place) {
    Vector vector;
    std::memcpy(&vector, place, sizeof(Vector));
    return vector;
}

struct Group {
    Floats part[4];
};

// ---------------------------------------------------------------------------------------------------------------------
// The two kinds of values: how a group is read and written, and where in a Group the value at a place of memory stands

struct BFloat16 {
    uint16_t bits;
};

inline float value(float x) { return x; }
inline float value(BFloat16 x) { return as<float>(uint32_t(x.bits) << 16); }

inline int64_t lane(const float*, int64_t place) { return place; }
inline int64_t lane(const BFloat16*, int64_t place) {
    return place / 32 * 32 + place % 2 * LANES + place % 32 / 2;
}

inline Group read(const float* from) {
    Group group;
    for (int i = 0; i < 4; ++i) group.part[i] = load<Floats>(from + LANES * i);
    return group;
}

inline Group read(const BFloat16* from) {
    Group group;
    for (int i = 0; i < 2; ++i) {
        const Words words = load<Words>(from + 2 * LANES * i);
        group.part[2 * i] = as<Floats>(words << 16);
        group.part[2 * i + 1] = as<Floats>(words & 0xffff0000u);
    }
    return group;
}

inline void write(const Group& group, float* to) { std::memcpy(to, &group, sizeof(Group)); }

// To the nearest, halves to even, in the upper half of each word.
inline Words rounded(Floats x) {
    const Words words = as<Words>(x);
    return words + 0x7fffu + ((words >> 16) & 1u);
}

inline void write(const Group& group, BFloat16* to) {
    for (int i = 0; i < 2; ++i) {
        const Words words = (rounded(group.part[2 * i]) >> 16) | (rounded(group.part[2 * i + 1]) & 0xffff0000u);
        std::memcpy(to + 2 * LANES * i, &words, sizeof(Words));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// A map in memory

template <typename T>
struct Map {
    int64_t size, channels, period, chunk, chunks;

    Map(int64_t rows, int64_t channels) : size(rows * channels), channels(channels) {
        period = std::lcm(channels, GROUP);
        chunk = std::max<int64_t>(1, CHUNK / period) * period;
        chunks = (size + chunk - 1) / chunk;
    }

    int64_t at(int64_t place) const { return place / GROUP * GROUP + lane((const T*)nullptr, place % GROUP); }

    // What belongs to each channel, in the order of a period.
    std::vector<float> table(const float* of_channels) const {
        std::vector<float> values(period);
        for (int64_t place = 0; place < period; ++place) values[at(place)] = of_channels[place % channels];
        return values;
    }

    // Calls work(chunk, group, first, end): the places first, first + period, ... before end are that group's.
    template <typename Work>
    void each(int threads, Work work) const {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t i = 0; i < chunks; ++i)
            for (int64_t group = 0; group < period; group += GROUP)
                work(i, group, i * chunk + group, std::min(size, (i + 1) * chunk));
    }
};

// Two sums for every channel: each chunk's in float, those of the chunks together in double.
template <typename T>
struct Sums {
    const Map<T>& map;
    std::vector<float> parts;

    explicit Sums(const Map<T>& map) : map(map), parts(2 * map.chunks * map.period) {}

    void keep(int64_t chunk, int64_t group, const Group& first, const Group& second) {
        std::memcpy(&parts[2 * chunk * map.period + group], &first, sizeof(Group));
        std::memcpy(&parts[(2 * chunk + 1) * map.period + group], &second, sizeof(Group));
    }

    std::vector<double> total(int which) const {
        std::vector<double> sums(map.channels);
        for (int64_t i = which; i < 2 * map.chunks; i += 2)
            for (int64_t place = 0; place < map.period; ++place)
                sums[place % map.channels] += parts[i * map.period + map.at(place)];
        return sums;
    }
};

// ---------------------------------------------------------------------------------------------------------------------
// Forward

// Means and (biased) variances. The first row is taken off before squaring, lest large means eat the digits.
template <typename T>
void moments(const T* x, const Map<T>& map, int threads, float* mean, float* variance) {
    std::vector<float> first(map.channels);
    for (int64_t c = 0; c < map.channels; ++c) first[c] = value(x[c]);
    const std::vector<float> base = map.table(first.data());
    Sums<T> sums(map);
    map.each(threads, [&](int64_t chunk, int64_t group, int64_t begin, int64_t end) {
        const Group from = read(&base[group]);
        Group sum = {}, squares = {};
        for (int64_t place = begin; place < end; place += map.period) {
            const Group in = read(x + place);
            for (int i = 0; i < 4; ++i) {
                const Floats d = in.part[i] - from.part[i];
                sum.part[i] += d;
                squares.part[i] += d * d;
            }
        }
        sums.keep(chunk, group, sum, squares);
    });
    const std::vector<double> sum = sums.total(0), squares = sums.total(1);
    const double rows = double(map.size) / map.channels;
    for (int64_t c = 0; c < map.channels; ++c) {
        const double offset = sum[c] / rows, spread = squares[c] / rows - offset * offset;
        mean[c] = first[c] + offset;
        variance[c] = spread < 0 ? 0 : spread;  // a sum that is not a number stays what it is
    }
}

// Where the running averages are after this batch; their variance is the unbiased one. They may be null.
inline void follow(float* average, const float* moments, int64_t channels, double factor, float momentum) {
    if (!average) return;
    for (int64_t c = 0; c < channels; ++c) average[c] += momentum * (float(factor * moments[c]) - average[c]);
}

template <typename T, bool ADDED, bool RELU>
void forward(const T* x, const T* added, T* y, const Map<T>& map, int threads, const float* weight, const float* bias,
             float eps, float* mean, float* variance, float* running_mean, float* running_variance, float momentum) {
    moments(x, map, threads, mean, variance);
    const double rows = double(map.size) / map.channels;
    follow(running_mean, mean, map.channels, 1, momentum);
    follow(running_variance, variance, map.channels, rows / (rows - 1), momentum);
    std::vector<float> scale(map.channels), shift(map.channels);
    for (int64_t c = 0; c < map.channels; ++c) {
        scale[c] = weight[c] / std::sqrt(double(variance[c]) + eps);
        shift[c] = bias[c] - mean[c] * scale[c];
    }
    const std::vector<float> scales = map.table(scale.data()), shifts = map.table(shift.data());
    map.each(threads, [&](int64_t, int64_t group, int64_t begin, int64_t end) {
        const Group a = read(&scales[group]), b = read(&shifts[group]);
        for (int64_t place = begin; place < end; place += map.period) {
            Group out = read(x + place);
            for (int i = 0; i < 4; ++i) out.part[i] = out.part[i] * a.part[i] + b.part[i];
            if (ADDED) {
                const Group more = read(added + place);
                for (int i = 0; i < 4; ++i) out.part[i] += more.part[i];
            }
            if (RELU)
                for (int i = 0; i < 4; ++i) out.part[i] = out.part[i] < 0 ? Floats{} : out.part[i];
            write(out, y + place);
        }
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// Backward: with g the gradient before the ReLU, dr = g and dx = a g + b x + c, a to c of each channel. Where y went two
// ways it has two gradients, to be added; where g is wanted (as dr) or had to be added, it is kept for the second pass.

template <typename T, bool SECOND, bool RELU>
inline Group gradient(const T* dy, const T* second, const T* y) {
    Group g = read(dy);
    if (SECOND) {
        const Group more = read(second);
        for (int i = 0; i < 4; ++i) g.part[i] += more.part[i];
    }
    if (RELU) {
        const Group out = read(y);
        for (int i = 0; i < 4; ++i) g.part[i] = out.part[i] <= 0 ? Floats{} : g.part[i];
    }
    return g;
}

template <typename T, bool SECOND, bool KEPT, bool RELU>
void backward(const T* dy, const T* second, const T* y, const T* x, T* dx, T* kept, const Map<T>& map, int threads,
              const float* weight, float eps, const float* mean, const float* variance, float* dweight, float* dbias) {
    const std::vector<float> means = map.table(mean);
    Sums<T> sums(map);
    map.each(threads, [&](int64_t chunk, int64_t group, int64_t begin, int64_t end) {
        const Group m = read(&means[group]);
        Group sum = {}, product = {};
        for (int64_t place = begin; place < end; place += map.period) {
            const Group g = gradient<T, SECOND, RELU>(dy + place, second + place, y + place), in = read(x + place);
            if (KEPT) write(g, kept + place);
            for (int i = 0; i < 4; ++i) {
                sum.part[i] += g.part[i];
                product.part[i] += g.part[i] * (in.part[i] - m.part[i]);
            }
        }
        sums.keep(chunk, group, sum, product);
    });
    const std::vector<double> sum = sums.total(0), product = sums.total(1);
    const double rows = double(map.size) / map.channels;
    std::vector<float> a(map.channels), b(map.channels), c(map.channels);
    for (int64_t i = 0; i < map.channels; ++i) {
        const double inverse = 1 / std::sqrt(double(variance[i]) + eps), scale = weight[i] * inverse;
        const double slope = -scale * inverse * inverse * product[i] / rows;
        dweight[i] = product[i] * inverse;
        dbias[i] = sum[i];
        a[i] = scale;
        b[i] = slope;
        c[i] = -scale * sum[i] / rows - slope * mean[i];
    }
    const std::vector<float> as = map.table(a.data()), bs = map.table(b.data()), cs = map.table(c.data());
    map.each(threads, [&](int64_t, int64_t group, int64_t begin, int64_t end) {
        const Group pa = read(&as[group]), pb = read(&bs[group]), pc = read(&cs[group]);
        for (int64_t place = begin; place < end; place += map.period) {
            const Group in = read(x + place);
            Group g = KEPT ? read(kept + place) : gradient<T, SECOND, RELU>(dy + place, second + place, y + place);
            for (int i = 0; i < 4; ++i) g.part[i] = g.part[i] * pa.part[i] + (in.part[i] * pb.part[i] + pc.part[i]);
            write(g, dx + place);
        }
    });
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// What Python calls. `bfloat16`: the kind of values; `added`, `second` and `kept` may be null; maps do not overlap.

template <typename T>
static void forward_of(const void* x, const void* added, void* y, int64_t rows, int64_t channels, int threads, bool relu,
                       const float* weight, const float* bias, float eps, float* mean, float* variance,
                       float* running_mean, float* running_variance, float momentum) {
    const auto chosen = added ? (relu ? forward<T, true, true> : forward<T, true, false>)
                              : (relu ? forward<T, false, true> : forward<T, false, false>);
    chosen((const T*)x, (const T*)added, (T*)y, Map<T>(rows, channels), threads, weight, bias, eps, mean, variance,
           running_mean, running_variance, momentum);
}

template <typename T>
static void backward_of(const void* dy, const void* second, const void* y, const void* x, void* dx, void* kept,
                        int64_t rows, int64_t channels, int threads, bool relu, const float* weight, float eps,
                        const float* mean, const float* variance, float* dweight, float* dbias) {
    const auto chosen = second ? (relu ? backward<T, true, true, true> : backward<T, true, true, false>)
                        : kept ? (relu ? backward<T, false, true, true> : backward<T, false, true, false>)
                               : (relu ? backward<T, false, false, true> : backward<T, false, false, false>);
    chosen((const T*)dy, (const T*)second, (const T*)y, (const T*)x, (T*)dx, (T*)kept, Map<T>(rows, channels), threads,
           weight, eps, mean, variance, dweight, dbias);
}

extern "C" void batch_norm_forward(int bfloat16, const void* x, const void* added, void* y, int64_t rows,
                                   int64_t channels, int threads, int relu, const float* weight, const float* bias,
                                   float eps, float* mean, float* variance, float* running_mean,
                                   float* running_variance, float momentum) {
    (bfloat16 ? forward_of<BFloat16> : forward_of<float>)(x, added, y, rows, channels, threads, relu, weight, bias, eps,
                                                          mean, variance, running_mean, running_variance, momentum);
}

extern "C" void batch_norm_backward(int bfloat16, const void* dy, const void* second, const void* y, const void* x,
                                    void* dx, void* kept, int64_t rows, int64_t channels, int threads, int relu,
                                    const float* weight, float eps, const float* mean, const float* variance,
                                    float* dweight, float* dbias) {
    (bfloat16 ? backward_of<BFloat16> : backward_of<float>)(dy, second, y, x, dx, kept, rows, channels, threads, relu,
                                                            weight, eps, mean, variance, dweight, dbias);
}
