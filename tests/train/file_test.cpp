#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "temp_folder.h"

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
  std::string text;
  {
    FileSizeLimit limit(100'000);
    text = error_of<InputError>([&] { write_file_atomically(folder / "x", std::string(1'000'000, 'n')); });
  }
  EXPECT_NE(text.find("/x: cannot be written"), std::string::npos) << text;
  EXPECT_NE(text.find("File too large"), std::string::npos) << text;
  EXPECT_NE(text.find("ulimit -f"), std::string::npos) << text;
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_FALSE(path_exists(folder / "x.tmp"));
}

TEST(WriteFileAtomically, AWriterThatThrowsKeepsTheOldFile) {
  TempFolder folder;
  write_file_atomically(folder / "x", "old");
  EXPECT_THROW(write_file_atomically(folder / "x",
                                     [](FileWriter& file) {
                                       file.write("half");
                                       throw ShapeError("stop");
                                     }),
               ShapeError);
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_FALSE(path_exists(folder / "x.tmp"));
}

TEST(WriteFileAtomically, ErrorsNameThePlace) {
  TempFolder folder;
  EXPECT_NE(error_of<InputError>([&] { write_file_atomically(folder / "no/x", "a"); }).find("/no/x: cannot be created: No such file"),
            std::string::npos);
  EXPECT_NE(error_of<InputError>([&] { read_file(folder / ""); }).find("Is a directory"), std::string::npos);
  folder.file("plain", "a");
  EXPECT_NE(error_of<InputError>([&] { make_folders(folder / "plain/below"); }).find("not a folder"), std::string::npos);
}

TEST(FileReader, AShorterFileSaysWhere) {
  TempFolder folder;
  FileReader file(folder.file("x", "0123456789"));
  char buffer[20];
  file.read(4, buffer, 6);
  EXPECT_EQ(std::string(buffer, 6), "456789");
  EXPECT_NE(error_of<InputError>([&] { file.read(4, buffer, 7); }).find("ends after 10 bytes, 1 more were expected"), std::string::npos);
}

}  // namespace
}  // namespace suanli
