// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <numeric>

#include "base/files/file.h"
#include "base/text/json.h"
#include "base/text/text.h"
#include "base/text/visible.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "cli/report/in_perspective.h"
#include "cli/verbs/training_options.h"
#include "data/image/picture.h"
#include "data/sources/picture_tree.h"
#include "data/sources/spec.h"
#include "suanli/image.h"
#include "suanli/train.h"
#include "train/run/evaluate.h"

namespace suanli::cli {

namespace {

constexpr size_t kBatch = 64;    // pictures in memory at a time
// rows of a table, or samples of an array, that are answered at a time
constexpr int64_t kRows = 1024;
constexpr std::string_view kNpz = "npz:";

/// "-" is the standard input, as elsewhere.
std::string place_of(const std::string& file) {
  return file == "-" ? std::string(kStandardInput) : file;
}

bool names_npz(const std::string& file) {
  return file.starts_with(kNpz) || file.substr(0, data::path_length(file)).ends_with(".npz");
}
/// The standard input has no name that tells: it is an archive for a model that was trained on one.
bool is_npz(const TrainedModel& trained, const std::string& file) {
  return names_npz(file) || (trained.kind == "npz" && place_of(file) == kStandardInput);
}

/// Indices of the `k` largest probabilities, largest first; of equal ones the lower class.
std::vector<size_t> best_of(std::span<const float> probabilities, size_t k) {
  std::vector<size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), size_t{0});
  k = std::min(k, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
      [&](size_t a, size_t b) {
        return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b;
      });
  order.resize(k);
  return order;
}

struct Guess {
  std::string name;
  double probability;
};
/// The prediction for a picture, a row of a table or a sample of an array.
struct Prediction {
  std::string file;
  int64_t row = 0;  // counted from 1 (of a table: below the header); 0: a picture
  std::vector<Guess> top;  // of classes
  double number = 0;  // of a regression
};

/// Files as they are, folders as the pictures below them.
std::vector<std::string> files_of(const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const std::string& path : given) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    const std::vector<std::string> below = data::pictures_below(path);
    if (below.empty())
      throw IoError({.argument = path,
                     .given = "no pictures in this folder",
                     .expected = ".jpg, .jpeg, .png or .webp"});
    files.insert(files.end(), below.begin(), below.end());
  }
  return files;
}

class Predictor {
 public:
  Predictor(TrainedModel& trained, const Arguments& args)
      : trained_(trained),
        top_(static_cast<size_t>(args.integer("--top", 1))),
        skip_bad_(args.has("--skip-bad")) {}

  std::vector<Prediction> predict(const std::vector<std::string>& files) {
    std::vector<Prediction> all;
    const size_t batch =
        std::min(kBatch, static_cast<size_t>(evaluation_batch(1, trained_.input_shape)));
    for (size_t at = 0; at < files.size();) {
      std::vector<std::string> read;
      std::vector<Tensor> pictures;
      for (; at < files.size() && read.size() < batch; ++at) add(files[at], read, pictures);
      if (!read.empty()) answer(read, cat(pictures), all);
    }
    return all;
  }
  std::vector<Prediction> predict_rows(const std::vector<std::string>& files) {
    std::vector<Prediction> all;
    for (const std::string& file : files) {
      const Tensor rows = rows_of(file);
      const size_t first = all.size();
      for (int64_t at = 0; at < rows.size(0); at += kRows) {
        const int64_t count = std::min(kRows, rows.size(0) - at);
        answer(std::vector<std::string>(static_cast<size_t>(count), file),
               narrow(rows, 0, at, count), all);
      }
      for (size_t i = first; i < all.size(); ++i) all[i].row = static_cast<int64_t>(i - first) + 1;
    }
    return all;
  }
  int64_t skipped() const { return skipped_; }

 private:
  Tensor rows_of(const std::string& file) const {
    if (!is_npz(trained_, file)) {
      std::vector<std::string> notes;
      Tensor rows = data::read_table(place_of(file), trained_.encoding, &notes);
      for (const std::string& note : notes) print_note(fmt::format("{}: {}", file, note));
      return rows;
    }
    const std::string place = file.starts_with(kNpz) ? file.substr(kNpz.size()) : file, key = "?x=";
    const size_t end = data::path_length(place);
    const std::string path = place.substr(0, end), setting = place.substr(end);
    if (!setting.empty() && !setting.starts_with(key))
      throw ArgumentError({.argument = "FILE",
                           .given = fmt::format("'{}'", file),
                           .expected = fmt::format("npz:{}{}NAME, the inputs alone", path, key)});
    std::vector<std::string> notes;
    Tensor rows = data::read_npz(place_of(path), trained_.input_shape, trained_.task,
                                 setting.empty() ? "" : setting.substr(key.size()),
                                 trained_.encoding, &notes);
    for (const std::string& note : notes) print_note(note);
    return rows;
  }

  void add(const std::string& file, std::vector<std::string>& read, std::vector<Tensor>& pictures) {
    const Shape& s = trained_.input_shape;
    try {
      pictures.push_back(reshape(
          data::read_picture(place_of(file),
                             {.channels = static_cast<int>(s[0]), .height = s[1], .width = s[2]}),
          Shape{1, s[0], s[1], s[2]}));
      read.push_back(file);
    } catch (const IoError& e) {
      if (!skip_bad_) throw IoError(data::may_be_skipped(e.fault()));
      print_note(fmt::format("left out: {}", e.what()));
      ++skipped_;
    }
  }

  void answer(const std::vector<std::string>& read, const Tensor& inputs,
              std::vector<Prediction>& all) {
    const Tensor answers = trained_.predict(inputs);
    if (trained_.task == data::Task::regression) {
      const auto numbers = answers.data<double>();
      for (size_t i = 0; i < read.size(); ++i)
        all.push_back({.file = read[i], .top = {}, .number = numbers[i]});
      return;
    }
    const auto values = answers.data<float>();
    const size_t classes = values.size() / read.size();
    for (size_t i = 0; i < read.size(); ++i) {
      const auto p = values.subspan(i * classes, classes);
      Prediction prediction{.file = read[i], .top = {}};
      for (size_t c : best_of(p, top_))
        prediction.top.push_back(
            {c < trained_.class_names.size() ? trained_.class_names[c] : std::to_string(c),
             static_cast<double>(p[c])});
      all.push_back(std::move(prediction));
    }
  }

  TrainedModel& trained_;
  size_t top_;
  bool skip_bad_;
  int64_t skipped_ = 0;
};

/// Significant digits of answers of a regression, `of_spread` of them telling targets apart: those
/// far from 0, such as time stamps, begin with digits that all have in common.
int digits_of(const TrainedModel& trained, int of_spread) {
  const double common = std::min(1e17, std::abs(trained.target_mean) / trained.target_stddev);
  return std::clamp(of_spread + static_cast<int>(std::ceil(std::log10(std::max(1.0, common)))),
                    of_spread, 17);
}

/// A field of a CSV file, in quotes where RFC 4180 asks for them.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv_of(const std::vector<Prediction>& all, int digits) {
  const bool rows = all.front().row > 0, numbers = all.front().top.empty();
  size_t columns = 0;
  for (const Prediction& p : all) columns = std::max(columns, p.top.size());
  std::string out = rows ? "file,row" : "file";
  if (numbers) out += ",prediction";
  for (size_t k = 1; k <= columns; ++k)
    out += k == 1 ? ",class,probability" : fmt::format(",class_{0},probability_{0}", k);
  out += "\n";
  for (const Prediction& p : all) {
    out += csv_field(p.file);
    if (rows) out += fmt::format(",{}", p.row);
    if (numbers) out += fmt::format(",{:.{}g}", p.number, digits);
    for (const Guess& g : p.top) out += fmt::format(",{},{:.6f}", csv_field(g.name), g.probability);
    out += "\n";
  }
  return out;
}

Json json_of(const std::vector<Prediction>& all) {
  Json::Array out;
  for (const Prediction& p : all) {
    Json prediction = Json::Object{{"file", p.file}};
    if (p.row > 0) prediction.set("row", p.row);
    if (p.top.empty()) {
      out.push_back(prediction.set("prediction", p.number));
      continue;
    }
    Json::Array top;
    for (const Guess& g : p.top)
      top.push_back(Json::Object{{"class", g.name}, {"probability", g.probability}});
    prediction.set("class", p.top.front().name).set("probability", p.top.front().probability);
    out.push_back(prediction.set("top", top));
  }
  return out;
}

std::string in_words(const std::vector<Prediction>& all, int digits) {
  std::string text;
  for (const Prediction& p : all) {
    text += p.row > 0 ? fmt::format("{}, row {}:", p.file, p.row) : p.file + ":";
    if (p.top.empty()) text += fmt::format("  {:.{}g}", p.number, digits);
    for (const Guess& g : p.top)
      text += fmt::format("  {} {}", visible(g.name), percent(g.probability));
    text += "\n";
  }
  return text;
}

/// The kind of a file whose name leaves no doubt.
enum class Named { folder, picture, table, workbook, archive, other };
Named named(const std::string& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return Named::folder;
  if (names_npz(file)) return Named::archive;
  std::string ending = std::filesystem::path(file).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  auto is_one_of = [&](std::initializer_list<std::string_view> endings) {
    return std::find(endings.begin(), endings.end(), ending) != endings.end();
  };
  if (is_one_of({".jpg", ".jpeg", ".png", ".webp"})) return Named::picture;
  if (is_one_of({".csv", ".tsv"})) return Named::table;
  return is_one_of({".xlsx", ".xls", ".ods", ".parquet"}) ? Named::workbook : Named::other;
}

/// True if the files hold rows of tables or arrays rather than pictures. Throws if the model was
/// not trained on such.
bool are_rows(const TrainedModel& trained, const std::string& run,
              const std::vector<std::string>& files) {
  const auto archives = static_cast<size_t>(std::count_if(
      files.begin(), files.end(), [&](const std::string& f) { return is_npz(trained, f); }));
  if (archives > 0 && archives < files.size())
    throw ArgumentError({.argument = "FILE",
                         .given = "arrays (.npz) and other files together",
                         .expected = "one kind of files",
                         .remedy = "Call twice."});
  const bool table = trained.kind == "csv", pictures = !table && trained.input_shape.rank() == 3;
  for (const std::string& file : files) {
    const Named is = named(file);
    if (table && (is == Named::folder || is == Named::picture || is == Named::archive))
      throw IoError({.argument = file,
                     .given = is == Named::folder    ? "a folder"
                              : is == Named::picture ? "a picture"
                                                     : "an archive of arrays",
                     .expected = fmt::format(
                         "a table with a header line, since {} predicts for rows of tables", run)});
    if (is == Named::workbook)
      throw IoError({.argument = file,
                     .given = "not a text table",
                     .remedy = "Save it as CSV and give the CSV file."});
    if (pictures && is == Named::table)
      throw IoError({.argument = file,
                     .given = "a table",
                     .expected = fmt::format("pictures, since {} answers for pictures", run)});
  }
  if (archives == 0 && !table && !pictures)
    throw IoError({.argument = run,
                   .given = str("trained on samples of shape ", trained.input_shape),
                   .expected = "arrays as NumPy saves them, data.npz",
                   .remedy = "These samples are neither pictures nor rows of a table."});
  return table || archives > 0;
}

int run(const Arguments& args) {
  const std::string path = args.positional(0);
  if (args.has("--json") && is_stdout(args.text("--csv")))
    throw ArgumentError({.argument = "--csv",
                         .given = "the standard output, which --json takes",
                         .expected = "a file"});
  device_from_name(args.text("--device", "auto"));
  TrainedModel trained = load_run(path);
  if (args.has("--tta")) trained.tta = tta_from_text(args.text("--tta"));
  trained.session.set_threads(static_cast<int>(args.integer("--threads", trained.config.threads)));
  const std::vector<std::string> given(args.positionals().begin() + 1, args.positionals().end());
  if (args.has("--top") && trained.task == data::Task::regression)
    throw ArgumentError({.argument = "--top",
                         .given = fmt::format("{}, which was trained on numbers", path),
                         .expected = "a run with classes",
                         .remedy = "Leave it out."});
  const bool rows = are_rows(trained, path, given);
  const std::vector<std::string> files = rows ? given : files_of(given);
  // All pictures are answered before anything is printed or written: an unreadable one leaves no
  // half result.
  Predictor predictor(trained, args);
  const std::vector<Prediction> all =
      rows ? predictor.predict_rows(files) : predictor.predict(files);
  if (all.empty())
    throw IoError({.argument = files.front(),
                   .given = files.size() == 1 ? "the picture cannot be read"
                                              : fmt::format("it and the other {} cannot be read",
                                                            files.size() - 1)});
  const bool to_stdout = is_stdout(args.text("--csv"));
  if (args.has("--csv") && !to_stdout)
    write_file_atomically(args.text("--csv"), csv_of(all, digits_of(trained, 9)));
  if (const std::string note = unfinished(trained, path); !note.empty()) print_note(note);
  if (predictor.skipped() > 0)
    print_note(fmt::format("{} of {} left out", predictor.skipped(),
                           counted(static_cast<int64_t>(files.size()), "picture")));
  if (args.has("--json")) {
    Json out =
        Json::Object{{"run", path}, {"skipped", predictor.skipped()}, {"version", version()}};
    print_result(out.set("predictions", json_of(all)).dump() + "\n");
  } else if (to_stdout) {
    print_result(csv_of(all, digits_of(trained, 9)));
  } else if (args.has("--csv")) {
    print_result(fmt::format("{} in {}\n", counted(static_cast<int64_t>(all.size()), "prediction"),
                             args.text("--csv")));
  } else {
    print_result(in_words(all, digits_of(trained, 6)));
  }
  return 0;
}

}  // namespace

Verb predict_verb() {
  return {"predict",
          "predict for pictures, rows of tables or arrays",
          {{"RUN", "the run folder"},
           {"FILE",
            "JPEG, PNG or WebP files, or folders of them (center crop, scaled to the training "
            "size); tables with a header line; arrays (.npz); - reads standard input",
            true, true}},
          {
              {"--top", OptionType::integer, "K", "number of classes to list per picture or row",
               "1", 1, 1e6},
              {"--csv", OptionType::text, "FILE",
               "write predictions to a CSV file instead of printing them"},
              tta_option("test-time augmentation: none, mirror or translate", "the run's"),
              {"--skip-bad", OptionType::nothing, "", "skip unreadable pictures"},
              device_option(),
              {"--threads", OptionType::integer, "N", "compute threads", "the run's", 1, 1024},
              {"--json", OptionType::nothing, "",
               "print the result or error as one JSON object on stdout"},
          },
          {"suanli predict runs/2026-01-31-cnn_b-1 seven.png --top 3",
           "suanli predict runs/2026-01-31-cnn_b-1 holiday/ --csv holiday.csv",
           "suanli predict runs/2026-01-31-mlp-1 new.csv --csv answers.csv"},
          run};
}

}  // namespace suanli::cli
