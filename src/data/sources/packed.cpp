// SPDX-License-Identifier: Apache-2.0
// Packed data: every sample decoded and scaled once, mapped into memory when it is opened. Reads
// the files that `suanli data pack` writes.
//
//   "SUANLIPK", u32 version, u32 0 |
//   for each split: pixels u8 [N, C, H, W], labels i32 [N], each from a multiple of 64 on |
//   description |
//   u64 where the description begins, u64 its bytes, u32 its CRC-32, "PKED".   All little-endian.
// The description holds the kind of data, sizes, names, places, and a CRC-32 of every MiB before
// it; a part is verified when it is first read, so that opening does not read the file.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <bit>
#include <cstring>

#include "base/files/file.h"
#include "base/text/text.h"
#include "data/datasets/labels.h"
#include "data/image/resize.h"
#include "data/sources/sources.h"

namespace suanli::data {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kStart("SUANLIPK", 8), kFinish("PKED", 4);
constexpr uint32_t kVersion = 2;
constexpr uint64_t kBlock = uint64_t{1} << 20, kAlign = 64, kTail = 24;
constexpr const char* kPackAgain = "Pack the data again.";

uint32_t checksum(uint32_t before, const void* bytes, size_t count) {
  return static_cast<uint32_t>(crc32_z(before, static_cast<const Bytef*>(bytes), count));
}

// ---- writing ------------------------------------------------------------------------------------

class Description {
 public:
  template <class T> void add(T number) {
    text_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void add(const std::string& s) {
    add<uint64_t>(s.size());
    text_ += s;
  }
  template <class T> void add(const std::vector<T>& list) {
    add<uint64_t>(list.size());
    for (const T& item : list) add(item);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Writes and keeps a checksum of every block.
class BlockWriter {
 public:
  explicit BlockWriter(FileWriter& file) : file_(file) {}
  void write(const void* data, uint64_t bytes) {
    file_.write(data, bytes);
    const char* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const uint64_t piece = std::min(bytes, kBlock - position_ % kBlock);
      crc_ = checksum(crc_, at, piece);
      position_ += piece;
      at += piece;
      bytes -= piece;
      if (position_ % kBlock == 0) finish_block();
    }
  }
  void align() {
    const char zeros[kAlign] = {};
    write(zeros, (kAlign - position_ % kAlign) % kAlign);
  }
  uint64_t position() const { return position_; }
  std::vector<uint32_t> checksums() {
    if (position_ % kBlock != 0) finish_block();
    return checksums_;
  }

 private:
  void finish_block() {
    checksums_.push_back(crc_);
    crc_ = 0;
  }
  FileWriter& file_;
  uint64_t position_ = 0;
  uint32_t crc_ = 0;
  std::vector<uint32_t> checksums_;
};

// ---- reading ------------------------------------------------------------------------------------

/// Takes numbers and texts from the description; its checksum was right, so what is wrong was
/// written by another program.
class DescriptionReader {
 public:
  DescriptionReader(std::string text, std::string path)
      : text_(std::move(text)), path_(std::move(path)) {}
  template <class T> T number() {
    T v{};
    if (sizeof v > text_.size() - at_) fail();
    std::memcpy(&v, text_.data() + at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  std::string text() {
    const auto size = number<uint64_t>();
    if (size > text_.size() - at_) fail();
    at_ += size;
    return text_.substr(at_ - size, size);
  }
  template <class F> void list(F&& item) {
    const auto count = number<uint64_t>();
    if (count > text_.size() - at_) fail();
    for (uint64_t i = 0; i < count; ++i) item();
  }
  [[noreturn]] void fail() const {
    throw IoError({.argument = path_,
                   .given = str("its description is not what version ", kVersion, " has"),
                   .remedy = kPackAgain});
  }

 private:
  std::string text_, path_;
  size_t at_ = 0;
};

/// The file in memory, verified block by block as it is read.
class MappedFile {
 public:
  MappedFile(const std::string& path, uint64_t size) : path_(path), size_(size) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) bytes_ = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    const int error = errno;
    if (fd >= 0) ::close(fd);
    if (fd < 0 || bytes_ == MAP_FAILED)
      throw IoError(fault_of_errno(path, "cannot be mapped into memory", error));
  }
  ~MappedFile() { ::munmap(bytes_, size_); }
  MappedFile(const MappedFile&) = delete;

  void expect(std::vector<uint32_t> checksums, uint64_t covered) {
    checksums_ = std::move(checksums);
    covered_ = covered;
    good_ = std::vector<std::atomic<bool>>(checksums_.size());
  }
  /// Bytes from `offset` on, which lie within what the checksums cover.
  const uint8_t* at(uint64_t offset, uint64_t count) const {
    const auto* bytes = static_cast<const uint8_t*>(bytes_);
    for (uint64_t block = offset / kBlock; count > 0 && block <= (offset + count - 1) / kBlock;
         ++block) {
      if (good_[block].load(std::memory_order_relaxed)) continue;
      const uint64_t begin = block * kBlock, length = std::min(kBlock, covered_ - begin);
      if (checksum(0, bytes + begin, length) != checksums_[block])
        throw IoError({.argument = str(path_, ": bytes ", begin, " to ", begin + length - 1),
                       .given = "damaged",
                       .remedy = kPackAgain});
      good_[block].store(true, std::memory_order_relaxed);
    }
    return bytes + offset;
  }

 private:
  std::string path_;
  uint64_t size_, covered_ = 0;
  void* bytes_ = nullptr;
  std::vector<uint32_t> checksums_;
  mutable std::vector<std::atomic<bool>> good_;
};

class PackedSet final : public PictureSet {
 public:
  PackedSet(Info info, std::shared_ptr<const MappedFile> file, uint64_t pixels,
            std::vector<int32_t> labels)
      : info_(std::move(info)),
        file_(std::move(file)),
        pixels_(pixels),
        labels_(std::move(labels)) {}
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  const Info& info() const override { return info_; }
  int64_t bytes_held() const override {
    return static_cast<int64_t>(labels_.size() * sizeof(int32_t));
  }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const override {
    const auto sample = static_cast<uint64_t>(info_.input_shape.numel());
    const Shape& s = info_.input_shape;
    resize_planes(file_->at(pixels_ + static_cast<uint64_t>(index) * sample, sample), s, box, s[1],
                  s[2], x);
    *y = label(index);
  }

 private:
  Info info_;
  std::shared_ptr<const MappedFile> file_;
  uint64_t pixels_;
  std::vector<int32_t> labels_;
};

}  // namespace

void pack(const std::string& path, const Splits& splits) {
  const Info& info = splits.train->info();
  if (info.input_shape.rank() != 3 || info.task != Task::classification || info.any_range)
    throw IoError({.op = "pack",
                   .argument = info.source,
                   .given = str("samples of shape ", info.input_shape),
                   .expected = "pictures with classes"});
  write_file_atomically(path, [&](FileWriter& file) {
    BlockWriter out(file);
    out.write(kStart.data(), kStart.size());
    const uint32_t head[] = {kVersion, 0};
    out.write(head, sizeof head);

    Description d;
    d.add(info.content());
    d.add(std::vector<int64_t>(info.input_shape.begin(), info.input_shape.end()));
    d.add(info.class_names);
    d.add(info.mean);
    d.add(info.stddev);
    std::vector<uint8_t> x(static_cast<size_t>(info.input_shape.numel()));
    for (const auto& set : {splits.train, splits.val, splits.test}) {
      d.add<uint64_t>(set ? static_cast<uint64_t>(set->size()) : 0);
      if (!set || set->size() == 0) continue;
      out.align();
      d.add(out.position());
      std::vector<int32_t> labels;
      for (int64_t i = 0; i < set->size(); ++i) {
        int64_t y = 0;
        set->read_view(i, whole_view(*set, i), x.data(), &y);
        out.write(x.data(), x.size());
        labels.push_back(static_cast<int32_t>(checked_label(info, i, y)));
      }
      out.align();
      d.add(out.position());
      out.write(labels.data(), labels.size() * sizeof(int32_t));
    }
    d.add(out.checksums());
    const uint64_t tail[] = {out.position(), d.text().size()};
    const uint32_t crc = checksum(0, d.text().data(), d.text().size());
    file.write(d.text());
    file.write(tail, sizeof tail);
    file.write(&crc, sizeof crc);
    file.write(kFinish);
  });
}

bool looks_like_packed(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size < static_cast<off_t>(kStart.size()))
    return false;
  FileReader file(path);
  char start[kStart.size()];
  file.read(0, start, sizeof start);
  return std::string_view(start, sizeof start) == kStart;
}

Source open_packed(const std::string& path) {
  FileReader file(path);
  const uint64_t size = file.size();
  if (!looks_like_packed(path) || size < kStart.size() + 8 + kTail)
    throw IoError({.argument = path + ": byte 0", .given = "no packed data", .remedy = kPackAgain});
  uint32_t version = 0;
  file.read(kStart.size(), &version, sizeof version);
  if (version != kVersion)
    throw IoError({.argument = path + ": byte 8",
                   .given = str("version ", version),
                   .expected = str("version ", kVersion),
                   .remedy = kPackAgain});
  char tail[kTail];
  file.read(size - kTail, tail, kTail);
  uint64_t at = 0, bytes = 0;
  uint32_t crc = 0;
  std::memcpy(&at, tail, 8);
  std::memcpy(&bytes, tail + 8, 8);
  std::memcpy(&crc, tail + 16, 4);
  if (std::string_view(tail + 20, 4) != kFinish || at > size - kTail || bytes != size - kTail - at)
    throw IoError({.argument = str(path, ": byte ", size),
                   .given = "the file is truncated",
                   .remedy = kPackAgain});
  std::string text(bytes, '\0');
  file.read(at, text.data(), bytes);
  if (checksum(0, text.data(), bytes) != crc)
    throw IoError({.argument = str(path, ": byte ", at),
                   .given = "its description is damaged",
                   .remedy = kPackAgain});

  DescriptionReader d(std::move(text), path);
  Info info{.kind = "packed", .source = "packed:" + path, .input_shape = {}};
  info.packed_kind = d.text();
  d.list([&] { info.input_shape.push_back(d.number<int64_t>()); });
  d.list([&] { info.class_names.push_back(d.text()); });
  d.list([&] { info.mean.push_back(d.number<double>()); });
  d.list([&] { info.stddev.push_back(d.number<double>()); });
  info.classes = static_cast<int>(info.class_names.size());
  struct Split {
    uint64_t samples = 0, pixels = 0, labels = 0;
  } splits[3];
  const Shape& s = info.input_shape;
  bool good = s.rank() == 3 && s[0] > 0 && s[1] > 0 && s[2] > 0 && s[0] <= 4096 && s[1] <= 65'536 &&
              s[2] <= 65'536;
  if (!good) d.fail();
  const auto sample = static_cast<uint64_t>(s.numel());
  for (Split& split : splits) {
    split.samples = d.number<uint64_t>();
    if (split.samples == 0) continue;
    split.pixels = d.number<uint64_t>();
    split.labels = d.number<uint64_t>();
    good = good && split.pixels <= at && split.samples <= (at - split.pixels) / sample &&
           split.labels <= at && split.samples <= (at - split.labels) / sizeof(int32_t);
  }
  std::vector<uint32_t> checksums;
  d.list([&] { checksums.push_back(d.number<uint32_t>()); });
  if (!good || splits[0].samples == 0 || checksums.size() != (at + kBlock - 1) / kBlock) d.fail();

  info.fingerprint = fingerprint(crc, checksums.data(), checksums.size() * sizeof(uint32_t));
  auto mapped = std::make_shared<MappedFile>(path, size);
  mapped->expect(std::move(checksums), at);
  auto set_of = [&](const Split& split) -> std::shared_ptr<const Dataset> {
    if (split.samples == 0) return nullptr;
    std::vector<int32_t> labels(split.samples);
    std::memcpy(labels.data(), mapped->at(split.labels, split.samples * sizeof(int32_t)),
                split.samples * sizeof(int32_t));
    for (int32_t label : labels)
      if (label < 0 || label >= info.classes) d.fail();
    return std::make_shared<PackedSet>(info, mapped, split.pixels, std::move(labels));
  };
  Source source;
  source.train = set_of(splits[0]);
  source.val = set_of(splits[1]);
  source.test = set_of(splits[2]);
  for (int64_t i = 0; i < source.train->size(); ++i)
    source.strata.push_back(static_cast<int32_t>(source.train->label(i)));
  return source;
}

}  // namespace suanli::data
