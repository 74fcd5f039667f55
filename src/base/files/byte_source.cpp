// SPDX-License-Identifier: Apache-2.0
#include "base/files/byte_source.h"

#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/text/text.h"

namespace suanli::data {
namespace {

constexpr size_t kInput = 256 << 10;
constexpr size_t kMaxAtOnce = 1 << 30;  // zlib counts in 32 bits
constexpr const char* kGetAgain = "Copy or download the file again.";

[[noreturn]] void no_memory(const char* format) {
  throw OutOfMemory(
      {.op = "decompress", .argument = format, .given = "no memory for its working state"});
}

class Gzip final : public Unpacker {
 public:
  Gzip() {
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) no_memory("gzip");
  }
  ~Gzip() override { inflateEnd(&stream_); }
  const char* name() const override { return "gzip"; }

  bool unpack(const uint8_t** in, const uint8_t* in_end, uint8_t** out, uint8_t* out_end,
              bool ended) override {
    if (between_) {
      // A gzip file may hold several streams, one after the other; zeros behind the last one are
      // padding.
      while (*in != in_end && **in == 0) ++*in;
      if (*in == in_end) return !ended;
      between_ = false;
      inflateReset(&stream_);
    }
    stream_.next_in = const_cast<Bytef*>(*in);
    stream_.avail_in = static_cast<uInt>(in_end - *in);
    stream_.next_out = *out;
    stream_.avail_out = static_cast<uInt>(out_end - *out);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    *in = stream_.next_in;
    *out = stream_.next_out;
    if (status == Z_STREAM_END) between_ = true;
    else if (status != Z_OK && status != Z_BUF_ERROR)
      error = stream_.msg ? stream_.msg : "no reason given";
    return true;
  }

 private:
  z_stream stream_{};
  bool between_ = false;  // a stream has ended
};

class Xz final : public Unpacker {
 public:
  Xz() {
    // what a stream may ask for its dictionary; xz -9 takes 64 MiB
    constexpr uint64_t kMaxMemory = 256 << 20;
    if (lzma_stream_decoder(&stream_, kMaxMemory, LZMA_CONCATENATED) != LZMA_OK) no_memory("xz");
  }
  ~Xz() override { lzma_end(&stream_); }
  const char* name() const override { return "xz"; }

  bool unpack(const uint8_t** in, const uint8_t* in_end, uint8_t** out, uint8_t* out_end,
              bool ended) override {
    stream_.next_in = *in;
    stream_.avail_in = static_cast<size_t>(in_end - *in);
    stream_.next_out = *out;
    stream_.avail_out = static_cast<size_t>(out_end - *out);
    const lzma_ret status = lzma_code(&stream_, ended ? LZMA_FINISH : LZMA_RUN);
    *in = stream_.next_in;
    *out = stream_.next_out;
    switch (status) {
      case LZMA_OK:
      case LZMA_BUF_ERROR: return true;
      case LZMA_STREAM_END: return false;
      case LZMA_MEMLIMIT_ERROR: error = "it asks for more than 256 MiB of memory"; return true;
      case LZMA_FORMAT_ERROR: error = "no xz stream"; return true;
      case LZMA_OPTIONS_ERROR: error = "a filter that is not known"; return true;
      case LZMA_MEM_ERROR: no_memory("xz");
      default: error = "the data are corrupt"; return true;
    }
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

ByteSource::ByteSource(const std::string& path) : file_(path) {
  uint8_t magic[6] = {};
  file_.read(0, magic, std::min<uint64_t>(sizeof magic, file_.size()));
  if (magic[0] == 0x1F && magic[1] == 0x8B) unpacker_ = std::make_unique<Gzip>();
  else if (std::memcmp(magic,
                       "\xFD"
                       "7zXZ\0",
                       6) == 0)
    unpacker_ = std::make_unique<Xz>();
  if (unpacker_) input_.resize(kInput);
}

ByteSource::~ByteSource() = default;

std::string ByteSource::at(int64_t position) const {
  return str(path(), compressed() ? ": decompressed byte " : ": byte ", position);
}

size_t ByteSource::read(void* out, size_t count) {
  auto* to = static_cast<unsigned char*>(out);
  const size_t got = compressed() ? read_packed(to, count) : read_plain(to, count);
  position_ += static_cast<int64_t>(got);
  return got;
}

size_t ByteSource::read_plain(unsigned char* out, size_t count) {
  count = std::min(count, static_cast<size_t>(file_size() - position_));
  file_.read(static_cast<uint64_t>(position_), out, count);
  return count;
}

void ByteSource::refill() {
  const size_t count = std::min(kInput, static_cast<size_t>(file_size() - file_position_));
  file_.read(static_cast<uint64_t>(file_position_), input_.data(), count);
  file_position_ += static_cast<int64_t>(count);
  next_ = input_.data();
  input_end_ = next_ + count;
}

size_t ByteSource::read_packed(unsigned char* out, size_t count) {
  size_t got = 0;
  while (got < count && !finished_) {
    if (next_ == input_end_ && file_position_ < file_size()) refill();
    const uint8_t* before = next_;
    uint8_t* to = out + got;
    finished_ = !unpacker_->unpack(&next_, input_end_, &to, to + std::min(count - got, kMaxAtOnce),
                                   file_position_ == file_size());
    const size_t made = static_cast<size_t>(to - out) - got;
    got += made;
    const bool stuck = !finished_ && made == 0 && next_ == before && next_ == input_end_ &&
                       file_position_ == file_size();
    if (unpacker_->error.empty() && !stuck) continue;
    const std::string where =
        stuck ? str(file_size(), " (its end)") : str(file_position_ - (input_end_ - next_));
    const std::string what = stuck ? "cut off" : str("damaged (", unpacker_->error, ")");
    throw IoError({.argument = str(path(), ": byte ", where),
                   .given = str("the ", unpacker_->name(), " stream is ", what, " after ",
                                position_ + static_cast<int64_t>(got), " decompressed bytes"),
                   .remedy = kGetAgain});
  }
  return got;
}

}  // namespace suanli::data
