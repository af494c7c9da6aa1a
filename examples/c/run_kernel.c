/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Loads a kernel file, shows its signature, runs it on random inputs and prints
 * a checksum of each output and the time.
 *
 *   attnc-c-example k.attnc q=1x8x1000x64 k=1x8x1000x64 --threads=2
 *
 * Only the runtime is linked: no compiler, no LLVM. C11.
 */

#define _POSIX_C_SOURCE 200809L

#include "attnc/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- command line -------------------------------------------------------- */

struct options {
  const char *path;
  uint64_t seed;
  uint32_t threads;
  uint32_t repeats;
  char **shapes; /* name=AxBxC, in the command line's order */
  int num_shapes;
};

static void print_usage(FILE *out) {
  fputs("usage: attnc-c-example KERNEL.attnc [NAME=AxBxC ...] [--seed=N]\n"
        "                       [--threads=N] [--repeat=N]\n"
        "\n"
        "Runs a kernel file on random inputs. Arguments with dynamic sizes\n"
        "need a NAME=AxBxC; outputs may leave it out where an input's sizes\n"
        "fit.\n",
        out);
}

/* The number after the '=' of an option; 0 and false if there is none. */
static int parse_number(const char *text, uint64_t most, uint64_t *value) {
  char *end = NULL;
  if (*text < '0' || *text > '9')
    return 0;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0' && *value <= most;
}

static int parse_option(const char *text, struct options *options) {
  uint64_t number = 0;
  if (strncmp(text, "--seed=", 7) == 0 &&
      parse_number(text + 7, UINT64_MAX, &number)) {
    options->seed = number;
    return 1;
  }
  if (strncmp(text, "--threads=", 10) == 0 &&
      parse_number(text + 10, 1024, &number)) {
    options->threads = (uint32_t)number;
    return 1;
  }
  if (strncmp(text, "--repeat=", 9) == 0 &&
      parse_number(text + 9, 1000000, &number) && number > 0) {
    options->repeats = (uint32_t)number;
    return 1;
  }
  fprintf(stderr, "error: unknown option or bad value '%s'\n", text);
  return 0;
}

static int parse_command_line(int argc, char **argv, struct options *options) {
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], "--", 2) == 0) {
      if (!parse_option(argv[i], options))
        return 0;
    } else if (!options->path) {
      options->path = argv[i];
    } else if (strchr(argv[i], '=')) {
      options->shapes[options->num_shapes++] = argv[i];
    } else {
      fprintf(stderr, "error: '%s' is not NAME=AxBxC\n", argv[i]);
      return 0;
    }
  }
  if (!options->path)
    print_usage(stderr);
  return options->path != NULL;
}

/* ---- tensors ------------------------------------------------------------- */

/* One argument with memory of its own. */
struct buffer {
  attnc_arg_info info;
  int64_t shape[ATTNC_MAX_RANK];
  uint64_t elements;
  void *data;
};

/* "AxBxC" into `shape`; false unless it is `rank` numbers. */
static int parse_shape(const char *text, uint32_t rank, int64_t *shape) {
  for (uint32_t d = 0; d < rank; ++d) {
    char *end = NULL;
    if (*text < '0' || *text > '9')
      return 0;
    errno = 0;
    shape[d] = strtoll(text, &end, 10);
    if (errno != 0 || *end != (d + 1 < rank ? 'x' : '\0'))
      return 0;
    text = end + (d + 1 < rank);
  }
  return *text == '\0';
}

/* The text after NAME= on the command line, or NULL. */
static const char *given_shape(const struct options *options,
                               const char *name) {
  size_t length = strlen(name);
  for (int i = 0; i < options->num_shapes; ++i)
    if (strncmp(options->shapes[i], name, length) == 0 &&
        options->shapes[i][length] == '=')
      return options->shapes[i] + length + 1;
  return NULL;
}

/* Dynamic sizes of an argument that was given none: those of the first argument
 * before it that has as many dimensions. */
static int guess_shape(const struct buffer *buffers, uint32_t index,
                       int64_t *shape) {
  const attnc_arg_info *info = &buffers[index].info;
  int dynamic = 0;
  for (uint32_t d = 0; d < info->rank; ++d)
    dynamic |= info->dims[d] < 0;
  for (uint32_t other = 0; dynamic && other < index; ++other) {
    if (buffers[other].info.rank != info->rank)
      continue;
    for (uint32_t d = 0; d < info->rank; ++d)
      if (info->dims[d] < 0)
        shape[d] = buffers[other].shape[d];
    return 1;
  }
  return !dynamic;
}

static int choose_shape(const struct options *options, struct buffer *buffers,
                        uint32_t index) {
  struct buffer *buffer = &buffers[index];
  const char *name = buffer->info.name;
  const char *text = given_shape(options, name);
  for (uint32_t d = 0; d < buffer->info.rank; ++d)
    buffer->shape[d] = buffer->info.dims[d];
  if (text && !parse_shape(text, buffer->info.rank, buffer->shape)) {
    fprintf(stderr, "error: '%s=%s' is not %" PRIu32 " sizes joined by x\n",
            name, text, buffer->info.rank);
    return 0;
  }
  if (!text && !guess_shape(buffers, index, buffer->shape)) {
    fprintf(stderr, "error: argument '%s' has dynamic sizes: give %s=AxBxC\n",
            name, name);
    return 0;
  }
  buffer->elements = 1;
  for (uint32_t d = 0; d < buffer->info.rank; ++d) {
    uint64_t size = (uint64_t)buffer->shape[d];
    if (size != 0 && buffer->elements > (UINT64_MAX >> 8) / size) {
      fprintf(stderr, "error: argument '%s' is too large\n", name);
      return 0;
    }
    buffer->elements *= size;
  }
  return 1;
}

/* SplitMix64: a small generator with no bad seeds. */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* Uniform in [-1, 1), on a grid of 1/128 so that f16 and bf16 hold it too. */
static float random_value(uint64_t *state) {
  return (float)((int)(next_random(state) >> 56) - 128) / 128.0f;
}

/* Exact for the values above and other small binary fractions. */
static uint16_t float_to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint32_t exponent = (bits >> 23) & 0xff;
  uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
  if (exponent < 113)
    return sign;
  return (uint16_t)(sign | ((exponent - 112) << 10) | ((bits >> 13) & 0x3ff));
}

static float half_to_float(uint16_t half) {
  int exponent = (half >> 10) & 0x1f;
  float mantissa = (float)(half & 0x3ff);
  float value = exponent == 0    ? ldexpf(mantissa, -24)
                : exponent == 31 ? (mantissa != 0 ? NAN : INFINITY)
                                 : ldexpf(mantissa + 1024.0f, exponent - 25);
  return half & 0x8000 ? -value : value;
}

static void store_random(attnc_dtype dtype, void *data, uint64_t i,
                         uint64_t *state) {
  float value = random_value(state);
  uint32_t bits;
  memcpy(&bits, &value, 4);
  switch (dtype) {
  case ATTNC_DTYPE_F64:
    ((double *)data)[i] = value;
    break;
  case ATTNC_DTYPE_F32:
    ((float *)data)[i] = value;
    break;
  case ATTNC_DTYPE_F16:
    ((uint16_t *)data)[i] = float_to_half(value);
    break;
  case ATTNC_DTYPE_BF16:
    ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
    break;
  case ATTNC_DTYPE_I64:
    ((int64_t *)data)[i] = value > 0;
    break;
  case ATTNC_DTYPE_I32:
    ((int32_t *)data)[i] = value > 0;
    break;
  case ATTNC_DTYPE_I16:
    ((int16_t *)data)[i] = value > 0;
    break;
  default: /* single bytes: 0 and 1 suit masks and numbers alike */
    ((uint8_t *)data)[i] = value > 0;
    break;
  }
}

static double load(attnc_dtype dtype, const void *data, uint64_t i) {
  uint32_t bits;
  float value;
  switch (dtype) {
  case ATTNC_DTYPE_F64:
    return ((const double *)data)[i];
  case ATTNC_DTYPE_F32:
    return ((const float *)data)[i];
  case ATTNC_DTYPE_F16:
    return half_to_float(((const uint16_t *)data)[i]);
  case ATTNC_DTYPE_BF16:
    bits = (uint32_t)((const uint16_t *)data)[i] << 16;
    memcpy(&value, &bits, 4);
    return value;
  case ATTNC_DTYPE_I64:
    return (double)((const int64_t *)data)[i];
  case ATTNC_DTYPE_I32:
    return ((const int32_t *)data)[i];
  case ATTNC_DTYPE_I16:
    return ((const int16_t *)data)[i];
  case ATTNC_DTYPE_I8:
    return ((const int8_t *)data)[i];
  default:
    return ((const uint8_t *)data)[i];
  }
}

static int allocate(struct buffer *buffer, uint64_t *random) {
  uint64_t bytes = buffer->elements * attnc_dtype_size(buffer->info.dtype);
  uint64_t alignment =
      buffer->info.alignment < 64 ? 64 : buffer->info.alignment;
  if (bytes > SIZE_MAX - alignment ||
      posix_memalign(&buffer->data, (size_t)alignment,
                     bytes ? (size_t)bytes : 1) != 0) {
    buffer->data = NULL;
    fprintf(stderr, "error: no memory for '%s' (%" PRIu64 " bytes)\n",
            buffer->info.name, bytes);
    return 0;
  }
  if (buffer->info.role == ATTNC_ROLE_OUTPUT)
    memset(buffer->data, 0, (size_t)bytes);
  else
    for (uint64_t i = 0; i < buffer->elements; ++i)
      store_random(buffer->info.dtype, buffer->data, i, random);
  return 1;
}

/* ---- printing ------------------------------------------------------------ */

static void print_argument(const attnc_arg_info *info) {
  printf("  %-6s %s: %s[", info->role == ATTNC_ROLE_OUTPUT ? "output" : "input",
         info->name, attnc_dtype_name(info->dtype));
  for (uint32_t d = 0; d < info->rank; ++d) {
    if (d > 0)
      printf("x");
    if (info->dims[d] < 0)
      printf("?");
    else
      printf("%" PRId64, info->dims[d]);
  }
  printf("]\n");
}

static void print_signature(const attnc_kernel *kernel,
                            const attnc_kernel_info *info) {
  printf("kernel %s, written by %s\n", info->name, info->producer);
  for (uint32_t i = 0; i < info->num_args; ++i) {
    attnc_arg_info arg = {.struct_size = sizeof(arg)};
    if (attnc_kernel_get_arg(kernel, i, &arg) == ATTNC_OK)
      print_argument(&arg);
  }
  for (uint32_t i = 0; i < info->num_images; ++i) {
    attnc_image_info image = {.struct_size = sizeof(image)};
    if (attnc_kernel_get_image(kernel, i, &image) != ATTNC_OK)
      continue;
    printf("  image  %s, %" PRIu64 " bytes%s%s%s\n", image.target,
           image.code_bytes, (int32_t)i == info->image ? ", in use" : "",
           *image.missing ? ", needs " : "", image.missing);
  }
}

/* Sum and sum of magnitudes: the same for the same seed and sizes. */
static void print_checksum(const struct buffer *buffer) {
  double sum = 0, magnitude = 0;
  for (uint64_t i = 0; i < buffer->elements; ++i) {
    double value = load(buffer->info.dtype, buffer->data, i);
    sum += value;
    magnitude += fabs(value);
  }
  printf("%s: sum %.9g, sum of magnitudes %.9g, %" PRIu64 " elements\n",
         buffer->info.name, sum, magnitude, buffer->elements);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- running ------------------------------------------------------------- */

static int report(const attnc_error *error) {
  fprintf(stderr, "error: %s\n", error->message);
  return 0;
}

static int launch(attnc_kernel *kernel, const struct options *options,
                  struct buffer *buffers, uint32_t count) {
  attnc_tensor *tensors = calloc(count ? count : 1, sizeof(*tensors));
  attnc_launch_options launch_options = ATTNC_LAUNCH_OPTIONS_INIT;
  attnc_error error = ATTNC_ERROR_INIT;
  double best = INFINITY;
  if (!tensors) {
    fputs("error: out of memory\n", stderr);
    return 0;
  }
  for (uint32_t i = 0; i < count; ++i) {
    tensors[i].struct_size = sizeof(attnc_tensor);
    tensors[i].dtype = buffers[i].info.dtype;
    tensors[i].rank = buffers[i].info.rank;
    tensors[i].data = buffers[i].data;
    tensors[i].shape = buffers[i].shape;
  }
  launch_options.threads = options->threads;
  for (uint32_t r = 0; r < options->repeats && error.code == ATTNC_OK; ++r) {
    double start = seconds();
    attnc_launch(kernel, tensors, count, &launch_options, &error);
    double time = seconds() - start;
    if (time < best)
      best = time;
  }
  free(tensors);
  if (error.code != ATTNC_OK)
    return report(&error);
  for (uint32_t i = 0; i < count; ++i)
    if (buffers[i].info.role == ATTNC_ROLE_OUTPUT)
      print_checksum(&buffers[i]);
  printf("time: %.3f ms, best of %" PRIu32 "\n", best * 1e3, options->repeats);
  return 1;
}

/* Every NAME= must be an argument's. */
static int check_names(const struct options *options,
                       const struct buffer *buffers, uint32_t count) {
  for (int s = 0; s < options->num_shapes; ++s) {
    size_t length = strcspn(options->shapes[s], "=");
    int found = 0;
    for (uint32_t i = 0; i < count; ++i)
      found |= strlen(buffers[i].info.name) == length &&
               strncmp(options->shapes[s], buffers[i].info.name, length) == 0;
    if (!found) {
      fprintf(stderr, "error: '%s': the kernel has no argument '%.*s'\n",
              options->shapes[s], (int)length, options->shapes[s]);
      return 0;
    }
  }
  return 1;
}

static int run(const struct options *options, attnc_kernel *kernel) {
  attnc_kernel_info info = {.struct_size = sizeof(info)};
  uint64_t random = options->seed;
  int good = attnc_kernel_get_info(kernel, &info) == ATTNC_OK;
  struct buffer *buffers =
      calloc(info.num_args ? info.num_args : 1, sizeof(*buffers));
  if (!buffers)
    return 0;
  print_signature(kernel, &info);
  for (uint32_t i = 0; i < info.num_args; ++i) {
    buffers[i].info.struct_size = sizeof(buffers[i].info);
    good =
        good && attnc_kernel_get_arg(kernel, i, &buffers[i].info) == ATTNC_OK;
  }
  good = good && check_names(options, buffers, info.num_args);
  for (uint32_t i = 0; i < info.num_args && good; ++i)
    good = choose_shape(options, buffers, i) && allocate(&buffers[i], &random);
  good = good && launch(kernel, options, buffers, info.num_args);
  for (uint32_t i = 0; i < info.num_args; ++i)
    free(buffers[i].data);
  free(buffers);
  return good;
}

int main(int argc, char **argv) {
  attnc_kernel *kernel = NULL;
  attnc_error error = ATTNC_ERROR_INIT;
  struct options options = {NULL, 1, 0, 5, NULL, 0};
  int good;
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    print_usage(stdout);
    return 0;
  }
  options.shapes = calloc((size_t)argc, sizeof(*options.shapes));
  good = options.shapes && parse_command_line(argc, argv, &options);
  if (good &&
      attnc_kernel_load_file(options.path, NULL, &kernel, &error) != ATTNC_OK)
    good = report(&error);
  good = good && run(&options, kernel);
  attnc_kernel_destroy(kernel);
  free(options.shapes);
  return good ? 0 : 1;
}
