// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/translations_zh.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

#include "cli/framework/columns.h"

namespace suanli::cli {

namespace {

/// English as the tables of verbs and options have it; a text that is missing here is shown in
/// English.
const std::unordered_map<std::string_view, const char*>& chinese() {
  static const std::unordered_map<std::string_view, const char*> table = {
      // the frame
      {"suanli trains, evaluates and runs neural networks.",
       "suanli（算力）：神经网络的训练、评测与推理。"},
      {"Usage:", "用法："},
      {"First run, no data needed:", "初次运行（无需准备数据）："},
      {"Help for one command:", "单个命令的帮助："},
      {"COMMAND …", "命令 …"},
      {"[options]", "[选项]"},
      {"Exit: 0 success, 1 failure, 2 usage error, 3 bad data or files, 130 interrupted",
       "退出码：0 成功，1 失败，2 用法错误，3 数据或文件错误，130 被中断"},
      {"Options for model, recipe and machine are those of suanli train; see suanli train --help.",
       "suanli train 的模型、训练方案和运行环境选项在此同样适用，见 suanli train --help。"},
      {"target column of a table, the same as DATA?target=COLUMN",
       "表格的目标列，等同于 DATA?target=列名"},
      {"default:", "默认："},
      // behind an error
      {"Options: ", "选项："},
      {"Command: ", "命令："},
      {", ", "、"},
      {".", "。"},
      {"Examples:", "示例："},
      {"show this help", "显示本帮助"},
      {"Model and data", "模型与数据"},
      {"Recipe", "训练方案"},
      {"Machine", "运行环境"},
      // verbs
      {"train a model on data; all results go to a run folder", "训练模型，全部结果保存到运行目录"},
      {"evaluate a trained model", "评测训练好的模型"},
      {"predict for pictures, rows of tables or arrays", "对图片、表格行或数组做预测"},
      {"inspect data, download data sets, pack pictures", "查看数据、下载数据集、打包图片"},
      {"profile training steps", "剖析训练步的耗时"},
      {"explain a step: passes, fusion, kernels, memory",
       "解释训练步如何执行：优化遍、算子融合、内核、内存"},
      {"measure the peak performance of this machine", "测量本机的峰值性能"},
      {"list the ops, or call ops on arrays of a file", "列出所有算子，或用文件中的数组调用算子"},
      {"call ops on the arrays of IN.npz", "用 IN.npz 中的数组调用算子"},
      {"arrays; `cases` holds the calls as JSON, see docs/calls.md",
       "数组，以及 `cases` 中用 JSON 描述的调用；见 docs/calls.md"},
      {"results, gradients and errors", "结果、梯度和错误"},
      {"print the schemas as one JSON object on stdout",
       "向标准输出打印一个 JSON 对象，内含各算子的定义"},
      {"report hardware, software, settings and anything missing",
       "报告本机的硬件、软件与设置，并指出缺少的部分"},
      {"print a shell completion script", "输出 shell 补全脚本"},
      {"print the manual page", "输出手册页"},
      {"print Markdown instead", "改为输出 Markdown"},
      {"print the version", "显示版本号"},
      {"list all commands, or the options of one command", "列出所有命令，或某个命令的选项"},
      // what they take
      {"a folder of pictures with one sub-folder per class; table.csv?target=COLUMN; glyphs; "
       "KIND:PATH; default glyphs",
       "图片目录（每类一个子目录）；table.csv?target=列名；glyphs；类型:路径；默认 glyphs"},
      {"the run folder", "运行目录"},
      {"data other than the run's own; - reads standard input",
       "改用其他数据（默认用该次训练的数据）；- 表示标准输入"},
      {"JPEG, PNG or WebP files, or folders of them (center crop, scaled to the training size); "
       "tables with a header line; arrays (.npz); - reads standard input",
       "JPEG、PNG、WebP 文件或目录（中心裁剪并缩放到训练尺寸）；带表头的表格；数组（.npz）；- "
       "表示标准输入"},
      {"show: report counts, sizes, balance, brightness, duplicates and broken files; get: "
       "download a data set; pack: write pictures to one file",
       "show：统计数量、尺寸、类别均衡、亮度、重复与损坏的文件；get：下载数据集；pack：把图片写成一"
       "个文件"},
      {"show and pack: same as for suanli train, default glyphs; get: mnist, fashion-mnist or "
       "cifar10",
       "show 与 pack：同 suanli train，默认 glyphs；get：mnist、fashion-mnist 或 cifar10"},
      {"get: the target folder, default downloads/DATA; pack: the file to write",
       "get：保存目录，默认 downloads/DATA；pack：要写入的文件"},
      {"the command to profile, always train", "要剖析的命令，固定为 train"},
      {"same as for suanli train; default glyphs", "同 suanli train；默认 glyphs"},
      {"same as for suanli train; only shapes and classes matter; default glyphs. For --model gpt: "
       "random:tokens=256?vocab=5000",
       "同 suanli train，但只用到形状与类别；默认 glyphs。--model gpt 时用 "
       "random:tokens=256?vocab=5000"},
      {"roofs: measure multiply-adds on registers, and copying and reading of large arrays",
       "roofs：测量寄存器乘加、大数组的复制与读取"},
      {"bash, zsh or fish", "bash、zsh 或 fish"},
      {"the command to describe", "要查看的命令"},
      // options of training
      {"a model from the zoo: ", "模型库中的模型："},
      {"initial weights: a run, a safetensors file or a PyTorch state dict",
       "初始权重：运行目录、safetensors 文件或 PyTorch 的 state dict"},
      {"parameters to freeze: name patterns with * and ?, or backbone",
       "要冻结的参数：名称模式（可含 * 和 ?），或 backbone"},
      {"learning rate factor for all layers except the last", "除最后一层外，其余各层的学习率倍数"},
      {"stem of image networks: small or large", "图像网络的首段（stem）：small 或 large"},
      {"task of a table: regression or classification",
       "表格任务：regression（回归）或 classification（分类）"},
      {"none, or a comma-separated list with optional values: ",
       "none，或逗号分隔的列表，可附带数值："},
      {"fraction of training samples for validation; 0: none",
       "划作验证集的训练样本比例；0：不验证"},
      {"use at most N training and N validation samples", "最多使用 N 个训练样本和 N 个验证样本"},
      {"check the model: train and validate on the same N batches",
       "检查模型：只用同样的 N 个批次训练和验证"},
      {"skip unreadable pictures", "跳过无法读取的图片"},
      {"sample all classes equally often, with replacement", "各类别等概率抽样（有放回）"},
      {"samples per batch; auto: the fastest size that fits in memory",
       "批大小；auto：内存放得下的最快批大小"},
      {"batches per optimizer step", "优化器每步累积的批次数"},
      {"sgd, nesterov, adam or adamw", "sgd、nesterov、adam 或 adamw"},
      {"learning rate", "学习率"},
      {"momentum of sgd and nesterov", "sgd 和 nesterov 的动量"},
      {"weight decay, added to the gradient; decoupled for adamw",
       "权重衰减：加入梯度；adamw 采用解耦形式"},
      {"parameters with weight decay: weights, or all (also biases and scales)",
       "应用权重衰减的参数：weights，或 all（含偏置和缩放系数）"},
      {"learning rate factors by name, such as *.bias=2, comma-separated; or none",
       "按参数名指定的学习率倍数，如 *.bias=2，用逗号分隔；或 none"},
      {"parameters to freeze after some epochs, such as 0.bias=3; or none",
       "训练若干轮后冻结的参数，如 0.bias=3；或 none"},
      {"test-time augmentation in the final test: none, mirror or translate",
       "最终测试的测试时增强：none、mirror（镜像）或 translate（镜像加平移）"},
      {"test-time augmentation: none, mirror or translate",
       "测试时增强：none、mirror（镜像）或 translate（镜像加平移）"},
      {"learning rate schedule: constant, cosine, linear, onecycle or step",
       "学习率调度：constant、cosine、linear、onecycle 或 step"},
      {"warm-up: fraction of the run in which the learning rate rises",
       "学习率预热阶段占全程的比例"},
      {"initial learning rate factor", "学习率的起始倍数"},
      {"final learning rate factor", "学习率的最终倍数"},
      {"step schedule: milestones as fractions of the run",
       "step 调度：各下降点在全程中的位置（比例）"},
      {"step schedule: factor at each milestone", "step 调度：每个下降点的学习率倍数"},
      {"label smoothing: fraction of each target spread over all classes",
       "标签平滑：每个目标分摊到所有类别的比例"},
      {"class weights of the loss: none, auto, or a number per class",
       "损失的类别权重：none、auto，或每类一个数"},

      {"maximum gradient norm", "梯度范数上限（梯度裁剪）"},
      {"rematerialize values until the run fits in this much memory",
       "内存上限：重新计算部分中间值，直到训练放得下"},
      {"maximum absolute gradient element", "梯度元素绝对值上限"},
      {"keep an exponential moving average of the weights with this decay",
       "保留权重的指数滑动平均，此为衰减系数"},
      {"Lookahead: set the weights to their average every N steps",
       "Lookahead：每 N 步把权重设为平均值"},
      {"seed of weights, sample order, validation split and dropout",
       "随机种子：用于权重、样本顺序、验证集划分与 dropout"},
      {"settings file like a run's config.toml; options override it",
       "设置文件，格式同运行目录中的 config.toml；命令行选项优先"},
      {"one setting of config.toml; repeatable", "config.toml 中的一项设置；可重复使用"},
      {"cpu or auto; cuda is refused because there is no GPU backend yet",
       "cpu 或 auto；目前没有 GPU 后端，cuda 会报错"},
      {"compute threads", "计算线程数"},
      {"data loading threads; their number never changes results", "读取数据的线程数；不影响结果"},
      {"data loading threads", "读取数据的线程数"},
      {"passes over the training data", "遍历训练数据的轮数"},
      {"time limit, such as 90s, 20m or 1.5h; the measured speed decides the epochs",
       "时间上限，如 90s、20m、1.5h；先测速，再确定轮数"},
      {"stop after N epochs without improvement in validation",
       "早停：验证结果连续 N 轮没有改善即停止"},
      {"steps between checkpoints; 0: none by steps", "每隔多少步保存检查点；0：不按步数保存"},
      {"minutes between checkpoints; 0: none by time", "每隔多少分钟保存检查点；0：不按时间保存"},
      {"stop after N steps", "训练 N 步后停止"},
      {"resume a stopped or killed run bit for bit; DATA: the new location of its data",
       "恢复中断的训练，结果逐位一致；DATA：数据的新位置"},
      {"with --resume: continue even if the result will not be bit-exact",
       "与 --resume 合用：结果无法逐位一致时也继续"},
      {"show data, layers, memory and time; stop before the first step",
       "显示数据、各层、内存与时间，不开始训练"},
      {"print the result or error as one JSON object on stdout",
       "把结果或错误以一个 JSON 对象输出到标准输出"},
      {"print one JSON object on stdout", "向标准输出打印一个 JSON 对象"},
      {"print everything as one JSON object on stdout", "把全部内容以一个 JSON 对象输出到标准输出"},
      {"show no progress", "不显示进度"},
      // of the other verbs
      {"train, val or test", "train、val 或 test"},
      {"write the confusion matrix as a PNG", "把混淆矩阵保存为 PNG"},
      {"number of classes to list per picture or row", "每张图片或每行列出的类别数"},
      {"write predictions to a CSV file instead of printing them", "把预测写入 CSV 文件，不打印"},
      {"show: target column of a table, the same as DATA?target=COLUMN",
       "show：表格的目标列，等同于 DATA?target=列名"},
      {"show: write the first ten training pictures of each class to a PNG",
       "show：把每类的前十张训练图片拼成一张 PNG"},
      {"show: augment these pictures as suanli train --augment LIST does",
       "show：按 suanli train --augment LIST 的方式增强这些图片"},
      {"pack: skip unreadable pictures", "pack：跳过无法读取的图片"},
      {"profiled steps", "剖析的步数"},
      {"warm-up steps before the profiled steps", "剖析之前的预热步数"},
      {"write a trace for ui.perfetto.dev or Chrome",
       "写出跟踪文件，可用 ui.perfetto.dev 或 Chrome 查看"},
      {"short for --batch-size", "--batch-size 的简写"},
      {"explain the evaluation of a batch instead of a training step",
       "改为解释一个批次的评测过程"},
      {"also list the records after each pass", "同时列出每个优化遍之后的记录"},
      {"write the graph as a self-contained HTML page", "把计算图保存为可离线查看的 HTML 页面"},
      {"measure again, ignoring stored results", "忽略已保存的结果，重新测量"},
      // defaults
      {"the recipe's", "由训练方案决定"},
      {"the recipe's epochs", "训练方案的轮数"},
      {"the schedule's", "由学习率调度决定"},
      {"one that fits the data", "根据数据选择"},
      {"random weights", "随机初始化"},
      {"none", "无"},
      {"by weights or picture size", "由权重或图片尺寸决定"},
      {"by the target column", "由目标列决定"},
      {"by the data", "由数据决定"},
      {"all", "全部"},
      {"no", "否"},
      {"no limit", "不限制"},
      {"never", "从不"},
      {"all CPUs of this process", "本进程可用的全部 CPU"},
      {"the run's", "与该次训练相同"},
      {"test; val if there is none", "test；没有则用 val"},
  };
  return table;
}

bool chinese_is_asked_for() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"})
    if (const char* value = std::getenv(name); value && *value)
      return std::string_view(value).starts_with("zh");
  return false;
}

/// Characters that may not begin a line: closing brackets and stops.
bool belongs_to_the_left(std::string_view character) {
  static constexpr std::string_view marks[] = {"：", "；", "，", "。", "、", "！", "？",
                                               "）", "》", "」", "』", "】", "”",  "’",
                                               ":",  ";",  ",",  ".",  ")"};
  return std::find(std::begin(marks), std::end(marks), character) != std::end(marks);
}

}  // namespace

const char* in_users_language(const char* english) {
  static const bool wanted = chinese_is_asked_for();
  if (!wanted) return english;
  const auto found = chinese().find(english);
  return found == chinese().end() ? english : found->second;
}

std::string wrapped(const std::string& text, size_t indent, size_t width) {
  std::string out, word;
  size_t column = indent, word_columns = 0;
  auto put = [&] {
    if (word.empty()) return;
    if (column > indent && column + word_columns > width) {
      while (!out.empty() && out.back() == ' ') out.pop_back();
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    out += word;
    column += word_columns;
    word.clear();
    word_columns = 0;
  };
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\n') {  // a line of the text's own begins anew
      put();
      out += text[at++];
      column = 0;
      continue;
    }
    const Character c = character_at(text, at);
    const bool wide = c.columns > 1, blank = text[at] == ' ';
    const std::string character = text.substr(at, c.bytes);
    if (wide && !belongs_to_the_left(character)) put();
    word += character;
    word_columns += c.columns;
    at += c.bytes;
    const bool stays =
        wide && at < text.size() &&
        belongs_to_the_left(std::string_view(text).substr(at, character_at(text, at).bytes));
    if ((wide && !stays) || blank) put();
  }
  put();
  return out;
}

}  // namespace suanli::cli
