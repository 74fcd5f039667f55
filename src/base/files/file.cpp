// SPDX-License-Identifier: Apache-2.0
#include "base/files/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "base/text/text.h"

namespace suanli {

namespace {

constexpr size_t kBuffer = 256 << 10;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd) {
    if (const int before = std::exchange(fd_, fd); before >= 0) ::close(before);
  }
  /// Some file systems report a failed write only here.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& place, std::string_view what, int error) {
  throw IoError(fault_of_errno(place, what, error));
}

std::string remedy_for(int error) {
  switch (error) {
    case ENOSPC: return "Free some space there, or choose another place.";
    case EDQUOT: return "Free some of your quota, or choose another place.";
    case EFBIG:
      return "The process may not write files of this size: raise the limit (ulimit -f), or "
             "choose another file system.";
    case EIO:
      return "The disk or the network file system reports an error: check it (dmesg), or choose "
             "another place.";
    case EACCES:
    case EPERM: return "Check the permissions, or choose another place.";
    case EROFS: return "Choose a place that can be written.";
    case ENOENT: return "Check the path.";
    case ENOTDIR: return "A part of the path is a file, not a folder.";
    case EMFILE:
    case ENFILE: return "Raise the limit (ulimit -n).";
    default: return "";
  }
}

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// A rename is on the disk only when the folder is.
void sync_folder(const std::string& path) {
  std::string folder = folder_of(path);
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) fail(folder, "cannot be opened", errno);
  // Some network file systems know no fsync of a folder; there the rename itself is what they
  // promise.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
    fail(folder, "cannot be synchronized with the disk", errno);
}

}  // namespace

Fault fault_of_errno(const std::string& place, std::string_view what, int error) {
  return {.argument = place,
          .given = str(what, ": ", std::strerror(error)),
          .remedy = remedy_for(error)};
}

std::string to_string(const FileDigest& digest) {
  char crc[16];
  std::snprintf(crc, sizeof crc, "%08x", digest.crc32);
  return str(digest.bytes, " bytes, crc32 ", crc);
}

FileWriter::FileWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {
  buffer_.reserve(kBuffer);
}

void FileWriter::write(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  digest_.crc32 =
      static_cast<uint32_t>(crc32_z(digest_.crc32, reinterpret_cast<const Bytef*>(from), bytes));
  digest_.bytes += bytes;
  if (buffer_.size() + bytes > kBuffer) flush();
  if (bytes >= kBuffer) return write_through(from, bytes);
  buffer_.insert(buffer_.end(), from, from + bytes);
}

void FileWriter::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void FileWriter::write_through(const char* data, size_t bytes) {
  while (bytes > 0) {
    ssize_t n = ::write(fd_, data, std::min<size_t>(bytes, 1 << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(path_, str("cannot be written (", digest_.bytes, " bytes so far)"), n < 0 ? errno : EIO);
    data += n;
    bytes -= static_cast<size_t>(n);
  }
}

namespace {

/// Opens a path for writing that is no replaceable file: a device, a pipe, this process's output.
/// Returns -1 for others.
int open_stream(const std::string& path) {
  if (path == "/dev/stdout") return ::dup(STDOUT_FILENO);
  if (path == "/dev/stderr") return ::dup(STDERR_FILENO);
  struct stat info;
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return -1;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail(path, "cannot be opened", errno);
  return fd;
}

/// Where a link leads, if that is there or not: it stays, and what it names is replaced.
std::string behind_links(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int kMaxLinks = 40;  // as Linux
  fs::path at = path;
  std::error_code error;
  for (int i = 0; i < kMaxLinks && fs::is_symlink(at, error); ++i)
    at = at.parent_path() / fs::read_symlink(at, error);
  return at.string();
}

}  // namespace

FileDigest write_file_atomically(const std::string& path,
                                 const std::function<void(FileWriter&)>& writer) {
  if (Descriptor stream(open_stream(path)); stream.get() >= 0) {
    FileWriter file(stream.get(), path);
    writer(file);
    file.flush();
    if (stream.close() != 0) fail(path, "cannot be closed", errno);
    return file.digest();
  }
  const std::string target = behind_links(path), temporary = target + std::string(kTemporarySuffix);
  Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (fd.get() < 0) fail(path, "cannot be created", errno);
  try {
    FileWriter file(fd.get(), path);
    writer(file);
    file.flush();
    if (::fsync(fd.get()) != 0) fail(path, "cannot be synchronized with the disk", errno);
    if (fd.close() != 0) fail(path, "cannot be closed", errno);
    if (::rename(temporary.c_str(), target.c_str()) != 0) fail(path, "cannot be replaced", errno);
    sync_folder(target);
    return file.digest();
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

namespace {

void copy_to_end(int from, int to, const std::string& path) {
  std::vector<char> buffer(kBuffer);
  FileWriter out(to, path);
  for (uint64_t offset = 0;;) {
    const ssize_t n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(str(path, ": byte ", offset), "cannot be read", errno);
    if (n == 0) return out.flush();
    out.write(buffer.data(), static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

/// A pipe, a socket or a terminal gives its bytes once, in order. They are read to the end and kept
/// in memory, for every reader of this process: formats are told apart by their first bytes, and an
/// archive's list stands at its end.
struct Kept {
  std::mutex mutex;
  // descriptors of memory, by what was read
  std::map<std::tuple<std::string, dev_t, ino_t>, int> files;
};
Kept& kept() {
  static auto* all = new Kept;  // exit handlers may still read
  return *all;
}

bool gives_its_bytes_once(const struct stat& info) {
  return S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || S_ISCHR(info.st_mode);
}

/// A descriptor of the bytes that came from there before, or -1.
int kept_before(const struct stat& info, const std::string& path) {
  const std::lock_guard lock(kept().mutex);
  const auto at = kept().files.find({path, info.st_dev, info.st_ino});
  return at == kept().files.end() ? -1 : ::fcntl(at->second, F_DUPFD_CLOEXEC, 0);
}

/// A pipe that a writer fills anew, opened; -1 if none does within a moment. Systems use an inode's
/// number again, so it may be another pipe.
int open_filled_again(const std::string& path) {
  constexpr int kMilliseconds = 100;
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  pollfd asked{fd.get(), POLLIN, 0};
  if (fd.get() < 0 || ::poll(&asked, 1, kMilliseconds) <= 0 || !(asked.revents & POLLIN)) return -1;
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  return fd.release();
}

/// Reads a stream to its end. Returns a descriptor of the bytes in memory.
int keep(int fd, const struct stat& info, const std::string& path) {
  Descriptor copy(::memfd_create("suanli", MFD_CLOEXEC));
  if (copy.get() < 0) fail(path, "cannot be kept in memory", errno);
  const std::lock_guard lock(kept().mutex);  // two threads do not share the bytes of one pipe
  copy_to_end(fd, copy.get(), path);
  const auto at = kept().files.try_emplace({path, info.st_dev, info.st_ino}, -1).first;
  if (at->second >= 0) ::close(at->second);
  at->second = copy.release();
  return ::fcntl(at->second, F_DUPFD_CLOEXEC, 0);
}

}  // namespace

FileReader::FileReader(std::string path) : path_(std::move(path)) {
  struct stat info;
  Descriptor fd(-1);
  if (::stat(path_.c_str(), &info) == 0 && gives_its_bytes_once(info)) {
    if (Descriptor before(kept_before(info, path_)); before.get() >= 0) {
      if (S_ISFIFO(info.st_mode)) fd.reset(open_filled_again(path_));
      if (fd.get() < 0) {
        if (::fstat(before.get(), &info) != 0) fail(path_, "cannot be read", errno);
        size_ = static_cast<uint64_t>(info.st_size);
        fd_ = before.release();
        return;
      }
    }
  }
  if (fd.get() < 0) fd.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  // a socket
  if (fd.get() < 0 && errno == ENXIO && path_ == kStandardInput) fd.reset(::dup(STDIN_FILENO));
  if (fd.get() < 0) fail(path_, "cannot be opened", errno);
  if (::fstat(fd.get(), &info) != 0) fail(path_, "cannot be read", errno);
  if (S_ISDIR(info.st_mode)) fail(path_, "cannot be read", EISDIR);
  // no device that never ends
  if (gives_its_bytes_once(info) && (!S_ISCHR(info.st_mode) || ::isatty(fd.get()))) {
    fd.reset(keep(fd.get(), info, path_));
    if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) fail(path_, "cannot be read", errno);
  }
  size_ = static_cast<uint64_t>(info.st_size);
  fd_ = fd.release();
}

FileReader::~FileReader() { ::close(fd_); }

void FileReader::read(uint64_t offset, void* to, uint64_t bytes) const {
  char* out = static_cast<char*>(to);
  while (bytes > 0) {
    ssize_t n = ::pread(fd_, out, std::min<uint64_t>(bytes, 1 << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(str(path_, ": byte ", offset), "cannot be read", errno);
    if (n == 0)
      throw IoError({.argument = path_,
                     .given = str("ends after ", offset, " bytes"),
                     .expected = str(bytes, " more"),
                     .remedy = "The file is truncated. Copy it again."});
    out += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
}

std::string read_file(const std::string& path) {
  FileReader file(path);
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  return text;
}

FileDigest digest_file(const std::string& path) {
  FileReader file(path);
  std::vector<Bytef> buffer(kBuffer);
  FileDigest digest;
  while (digest.bytes < file.size()) {
    uint64_t n = std::min<uint64_t>(buffer.size(), file.size() - digest.bytes);
    file.read(digest.bytes, buffer.data(), n);
    digest.crc32 = static_cast<uint32_t>(crc32_z(digest.crc32, buffer.data(), n));
    digest.bytes += n;
  }
  return digest;
}

void make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail(path, "cannot be made", error.value());
}

bool path_exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

}  // namespace suanli
