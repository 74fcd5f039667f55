// SPDX-License-Identifier: Apache-2.0
#include "cli/net/download.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/files/file.h"
#include "cli/net/sha256.h"

namespace suanli::cli {

namespace {

namespace fs = std::filesystem;

/// libcurl, opened when the first file is asked for: linking it would make every start of the
/// program several times slower.
class Curl {
 public:
  static const Curl& get() {
    static const Curl curl;
    return curl;
  }
  decltype(&curl_easy_init) init;
  decltype(&curl_easy_setopt) setopt;
  decltype(&curl_easy_perform) perform;
  decltype(&curl_easy_cleanup) cleanup;
  decltype(&curl_easy_strerror) strerror;
  decltype(&curl_easy_getinfo) getinfo;

 private:
  Curl() {
    library_ = dlopen(kLibrary, RTLD_NOW);
    if (!library_)
      throw IoError({.argument = kLibrary,
                     .given = fmt::format("cannot be loaded ({})", dlerror()),
                     .remedy = "Install it (Debian: apt-get install libcurl4)."});
    find(init, "curl_easy_init");
    find(setopt, "curl_easy_setopt");

    find(perform, "curl_easy_perform");
    find(cleanup, "curl_easy_cleanup");
    find(strerror, "curl_easy_strerror");

    find(getinfo, "curl_easy_getinfo");
  }
  template <class F> void find(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(library_, name));
    if (!function)
      throw IoError({.argument = kLibrary,
                     .given = fmt::format("has no {}", name),
                     .remedy = "Install another version."});
  }
  static constexpr const char* kLibrary = "libcurl.so.4";
  void* library_;
};

/// The growing file of one transfer.
struct Transfer {
  int fd = -1;
  int64_t there = 0, most = 0;
  int error = 0;  // of writing
  const std::function<void(int64_t)>* progress = nullptr;
  ~Transfer() {
    if (fd >= 0) ::close(fd);
  }
};

size_t take(char* data, size_t, size_t bytes, void* context) {
  auto& t = *static_cast<Transfer*>(context);
  if (t.there + static_cast<int64_t>(bytes) > t.most) return 0;  // more than the file has
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = ::write(t.fd, data + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      t.error = errno;
      return 0;
    }
    done += static_cast<size_t>(n);
  }
  t.there += static_cast<int64_t>(bytes);
  (*t.progress)(t.there);
  return bytes;
}

std::string sha256_of(const std::string& path) {
  FileReader file(path);
  Sha256 hash;
  std::vector<char> piece(1 << 20);
  for (uint64_t at = 0; at < file.size(); at += piece.size()) {
    const uint64_t count = std::min<uint64_t>(piece.size(), file.size() - at);
    file.read(at, piece.data(), count);
    hash.add(piece.data(), count);
  }
  return hash.digest();
}

int64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? -1 : static_cast<int64_t>(size);
}

[[noreturn]] void cannot_write(const std::string& path, int error) {
  throw IoError(fault_of_errno(path, "cannot be written", error));
}

struct Outcome {
  std::string reason;           // what went wrong, or ""
  bool cannot_go_on = false;  // the server has no use for what is there already
};

/// Fetches what `part` lacks of the file.
Outcome fetch(const std::string& url, int64_t bytes, const std::string& part,
              const std::function<void(int64_t)>& progress) {
  const Curl& curl = Curl::get();
  Transfer t{.most = bytes, .progress = &progress};
  t.there = std::max<int64_t>(0, size_of(part));
  if (t.there > bytes) {
    fs::remove(part);
    t.there = 0;
  }
  if (t.there == bytes) return {};
  t.fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (t.fd < 0) cannot_write(part, errno);
  CURL* handle = curl.init();
  if (!handle) throw OutOfMemory(Fault{.given = "no memory for a download"});
  curl.setopt(handle, CURLOPT_URL, url.c_str());
  curl.setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl.setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl.setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl.setopt(handle, CURLOPT_MAXREDIRS, 5L);
  curl.setopt(handle, CURLOPT_FAILONERROR, 1L);
  curl.setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl.setopt(handle, CURLOPT_CONNECTTIMEOUT, 20L);
  curl.setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 100L);
  curl.setopt(handle, CURLOPT_LOW_SPEED_TIME, 30L);
  curl.setopt(handle, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(t.there));
  curl.setopt(handle, CURLOPT_WRITEFUNCTION, take);
  curl.setopt(handle, CURLOPT_WRITEDATA, &t);
  const CURLcode status = curl.perform(handle);
  long code = 0;
  curl.getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
  curl.cleanup(handle);
  if (t.error != 0) cannot_write(part, t.error);
  if (status == CURLE_OK && t.there == bytes) return {};
  if (status == CURLE_OK)
    return {fmt::format("it has {} bytes, expected {}", t.there, bytes), true};
  if (status == CURLE_WRITE_ERROR)
    return {fmt::format("it has more than the {} bytes expected", bytes), true};
  constexpr long kRangeNotSatisfiable = 416;
  if (status == CURLE_HTTP_RETURNED_ERROR)
    return {fmt::format("the server answers {}", code), code == kRangeNotSatisfiable};
  return {curl.strerror(status), status == CURLE_RANGE_ERROR};
}

}  // namespace

bool is_downloaded(const RemoteFile& file, const std::string& path) {
  return size_of(path) == file.bytes && sha256_of(path) == file.sha256;
}

void download(const RemoteFile& file, const std::string& path,
              const std::function<void(int64_t)>& progress) {
  const std::string part = path + ".part";
  std::string reasons;
  for (const std::string& url : file.urls) {
    for (bool again = true; again;) {
      const bool goes_on = size_of(part) > 0;
      Outcome outcome = fetch(url, file.bytes, part, progress);
      const bool whole = outcome.reason.empty();
      if (whole && sha256_of(part) == file.sha256) {
        const int fd = ::open(part.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
          ::fsync(fd);
          ::close(fd);
        }
        fs::rename(part, path);
        return;
      }
      if (whole) outcome = {"it is another file than expected (its SHA-256 differs)", true};
      // what an earlier call left may be of another file: from the beginning, then
      again = goes_on && outcome.cannot_go_on;
      if (outcome.cannot_go_on) fs::remove(part);
      if (!again)
        reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", url, outcome.reason);
    }
  }
  throw IoError({.argument = fs::path(path).filename().string(),
                 .given = fmt::format("cannot be downloaded: {}", reasons)});
}

}  // namespace suanli::cli
