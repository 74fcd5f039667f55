#include "data/byte_source.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace suanli::data {
namespace {

constexpr size_t kInput = 256 << 10;
constexpr const char* kGetAgain = "Copy or download the file again.";

}  // namespace

ByteSource::ByteSource(const std::string& path) : file_(path) {
  unsigned char magic[2] = {};
  if (file_.size() < 2) return;
  file_.read(0, magic, 2);
  if (magic[0] != 0x1F || magic[1] != 0x8B) return;
  auto stream = std::make_unique<z_stream>();
  *stream = {};
  if (inflateInit2(stream.get(), 16 + MAX_WBITS) != Z_OK) throw OutOfMemory(str(path, ": no memory to decompress it"));
  input_.resize(kInput);
  zlib_ = stream.release();
}

ByteSource::~ByteSource() {
  if (zlib_ == nullptr) return;
  inflateEnd(zlib_);
  delete zlib_;
}

std::string ByteSource::at(int64_t position) const { return str(path(), compressed() ? ": decompressed byte " : ": byte ", position); }

size_t ByteSource::read(void* out, size_t count) {
  auto* to = static_cast<unsigned char*>(out);
  const size_t got = compressed() ? inflate_some(to, count) : read_plain(to, count);
  position_ += static_cast<int64_t>(got);
  return got;
}

size_t ByteSource::read_plain(unsigned char* out, size_t count) {
  count = std::min(count, static_cast<size_t>(file_size() - position_));
  file_.read(static_cast<uint64_t>(position_), out, count);
  return count;
}

/// More compressed bytes for zlib; false at the end of the file.
bool ByteSource::refill() {
  const size_t count = std::min(kInput, static_cast<size_t>(file_size() - file_position_));
  file_.read(static_cast<uint64_t>(file_position_), input_.data(), count);
  file_position_ += static_cast<int64_t>(count);
  zlib_->next_in = input_.data();
  zlib_->avail_in = static_cast<uInt>(count);
  return count > 0;
}

size_t ByteSource::inflate_some(unsigned char* out, size_t count) {
  size_t got = 0;
  while (got < count && !finished_) {
    if (zlib_->avail_in == 0 && !refill())
      throw InputError(str(path(), ": byte ", file_size(), " (its end), the gzip stream is cut off after ",
                           position_ + static_cast<int64_t>(got), " decompressed bytes. ", kGetAgain));
    const size_t room = std::min<size_t>(count - got, 1u << 30);
    zlib_->next_out = out + got;
    zlib_->avail_out = static_cast<uInt>(room);
    const int status = inflate(zlib_, Z_NO_FLUSH);
    got += room - zlib_->avail_out;
    if (status == Z_STREAM_END) {
      // A gzip file may hold several streams, one after the other; zeros behind the last one are padding.
      while (zlib_->avail_in > 0 || refill()) {
        if (*zlib_->next_in != 0) break;
        ++zlib_->next_in, --zlib_->avail_in;
      }
      finished_ = zlib_->avail_in == 0;
      if (!finished_) inflateReset(zlib_);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      const int64_t where = file_position_ - static_cast<int64_t>(zlib_->avail_in);
      throw InputError(str(path(), ": byte ", where, ", the gzip stream is damaged (", zlib_->msg ? zlib_->msg : "no reason given",
                           ") after ", position_ + static_cast<int64_t>(got), " decompressed bytes. ", kGetAgain));
    }
  }
  return got;
}

}  // namespace suanli::data
