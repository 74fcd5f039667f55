// SPDX-License-Identifier: Apache-2.0
#include "base/files/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

/// A file-size limit stands in for a full disk: the kernel refuses the write at the same places.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

TEST(WriteFileAtomically, ReplacesAndTellsTheDigest) {
  TempFolder folder;
  write_file_atomically(folder / "x", "old");
  FileDigest digest = write_file_atomically(folder / "x", "123456789");
  EXPECT_EQ(read_file(folder / "x"), "123456789");
  EXPECT_EQ(digest, (FileDigest{9, 0xcbf43926}));  // the check value that every CRC-32 table lists
  EXPECT_EQ(digest_file(folder / "x"), digest);
  EXPECT_EQ(to_string(digest), "9 bytes, crc32 cbf43926");
  EXPECT_FALSE(path_exists(folder / "x.tmp"));
}

TEST(WriteFileAtomically, LargeContentInOddPieces) {
  TempFolder folder;
  std::string all;
  FileDigest digest = write_file_atomically(folder / "x", [&](FileWriter& file) {
    for (size_t size : {1u, 262143u, 2u, 262144u, 262145u, 0u, 700000u}) {
      std::string piece(size, static_cast<char>('a' + all.size() % 26));
      all += piece;
      file.write(piece);
    }
  });
  EXPECT_EQ(read_file(folder / "x"), all);
  EXPECT_EQ(digest_file(folder / "x"), digest);
}

TEST(WriteFileAtomically, AFullDiskKeepsTheOldFile) {
  TempFolder folder;
  write_file_atomically(folder / "x", "old");
  {
    FileSizeLimit limit(100'000);
    EXPECT_FAULT(IoError, write_file_atomically(folder / "x", std::string(1'000'000, 'n')),
                 .argument = folder / "x",
                 .given = "cannot be written (1000000 bytes so far): File too large",
                 .remedy =
                     "The process may not write files of this size: raise the limit "
                     "(ulimit -f), or choose another file system.");
  }
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_FALSE(path_exists(folder / "x.tmp"));
}

TEST(WriteFileAtomically, AWriterThatThrowsKeepsTheOldFile) {
  TempFolder folder;
  write_file_atomically(folder / "x", "old");
  EXPECT_THROW(write_file_atomically(folder / "x",
                                     [](FileWriter& file) {
                                       file.write("half");
                                       throw ShapeError(Fault{.given = "stop"});
                                     }),
               ShapeError);
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_FALSE(path_exists(folder / "x.tmp"));
}

TEST(WriteFileAtomically, ErrorsNameThePlace) {
  TempFolder folder;
  EXPECT_FAULT(IoError, write_file_atomically(folder / "no/x", "a"), .op = "",
               .argument = folder / "no/x", .given = "cannot be created: No such file or directory",
               .remedy = "Check the path.");
  EXPECT_FAULT(IoError, read_file(folder / ""), .argument = folder / "",
               .given = "cannot be read: Is a directory", .remedy = "");
  folder.file("plain", "a");
  EXPECT_FAULT(IoError, make_folders(folder / "plain/below"), .argument = folder / "plain/below",
               .given = "cannot be made: Not a directory",
               .remedy = "A part of the path is a file, not a folder.");
}

TEST(WriteFileAtomically, ALinkStaysAndWhatItNamesIsReplaced) {
  TempFolder folder;
  ASSERT_EQ(symlink("target", (folder / "link").c_str()), 0);
  for (const char* text : {"first", "second"}) {  // it leads nowhere at first
    write_file_atomically(folder / "link", text);
    EXPECT_EQ(read_file(folder / "target"), text);
    struct stat info;
    EXPECT_TRUE(lstat((folder / "link").c_str(), &info) == 0 && S_ISLNK(info.st_mode));
  }
  EXPECT_FALSE(path_exists(folder / "link.tmp"));
  EXPECT_FALSE(path_exists(folder / "target.tmp"));
}

TEST(WriteFileAtomically, APipeIsWrittenToAndStays) {
  TempFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string got(10, ' ');
  std::thread reader([&] {
    const int fd = open(path.c_str(), O_RDONLY);
    EXPECT_EQ(read(fd, got.data(), got.size()), 9);
    close(fd);
  });
  EXPECT_EQ(write_file_atomically(path, "123456789"), (FileDigest{9, 0xcbf43926}));
  reader.join();
  EXPECT_EQ(got, "123456789 ");
  struct stat info;
  EXPECT_TRUE(lstat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode));
}

TEST(FileReader, APipeIsReadToItsEndAndAsOftenAsAsked) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::string sent;
  // more than a pipe holds at a time
  for (int i = 0; sent.size() < 1'000'000; ++i) sent += std::to_string(i);
  std::thread writer([&] {
    for (size_t at = 0; at < sent.size();)
      at += static_cast<size_t>(
          std::max<ssize_t>(0, write(ends[1], sent.data() + at, sent.size() - at)));
    close(ends[1]);
  });
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  EXPECT_EQ(read_file(path), sent);
  writer.join();
  FileReader again(path);
  ASSERT_EQ(again.size(), sent.size());
  std::string middle(1000, ' ');
  again.read(500'000, middle.data(), middle.size());
  EXPECT_EQ(middle, sent.substr(500'000, 1000));
  close(ends[0]);
}

TEST(FileReader, ANamedPipeIsOpenedOnce) {
  TempFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] {
    const int fd = open(path.c_str(), O_WRONLY);
    EXPECT_EQ(write(fd, "0123456789", 10), 10);
    close(fd);
  });
  EXPECT_EQ(read_file(path), "0123456789");
  writer.join();
  EXPECT_EQ(read_file(path), "0123456789") << "nobody writes any more";
}

TEST(FileReader, AShorterFileSaysWhere) {
  TempFolder folder;
  FileReader file(folder.file("x", "0123456789"));
  char buffer[20];
  file.read(4, buffer, 6);
  EXPECT_EQ(std::string(buffer, 6), "456789");
  EXPECT_FAULT(IoError, file.read(4, buffer, 7), .argument = folder / "x",
               .given = "ends after 10 bytes", .expected = "1 more");
}

}  // namespace
}  // namespace suanli
