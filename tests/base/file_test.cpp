// SPDX-License-Identifier: Apache-2.0
// Files that are no plain files.
#include "base/files/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gtest/gtest.h"

namespace suanli {
namespace {

/// A named pipe that `bytes` come out of once.
class Pipe {
 public:
  explicit Pipe(const std::string& bytes) {
    std::string pattern = (std::filesystem::temp_directory_path() / "suanli-pipe-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    ::mkfifo(path().c_str(), 0600);
    writer_ = std::thread([this, bytes] { std::ofstream(path(), std::ios::binary) << bytes; });
  }
  ~Pipe() {
    writer_.join();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/pipe"; }

 private:
  std::string folder_;
  std::thread writer_;
};

TEST(FileReader, ReadsAPipeToItsEnd) {
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i) bytes += static_cast<char>(i * 7 % 251);
  for (size_t size : {size_t{0}, size_t{1}, size_t{256 << 10}, bytes.size()}) {
    const Pipe pipe(bytes.substr(0, size));
    FileReader file(pipe.path());
    ASSERT_EQ(file.size(), size);
    std::string read(size, '\0');
    file.read(0, read.data(), size);
    EXPECT_TRUE(read == bytes.substr(0, size));
    if (size < 10) continue;
    char part[4];
    file.read(size - 4, part, 4);  // at any place, as of a file
    EXPECT_EQ(std::string(part, 4), bytes.substr(size - 4, 4));
    EXPECT_THROW(file.read(size - 2, part, 4), IoError);
    EXPECT_THROW(file.read(size + 5, part, 1), IoError);
  }
  const Pipe pipe("text");
  EXPECT_EQ(read_file(pipe.path()), "text");
  EXPECT_EQ(FileReader("/dev/null").size(), 0u);
}

}  // namespace
}  // namespace suanli
