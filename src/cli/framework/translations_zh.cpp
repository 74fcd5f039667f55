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
      {"suanli trains, measures and uses neural networks.",
       "suanli（算力）：训练、评测并使用神经网络。"},
      {"Usage:", "用法："},
      {"First run, no data needed:", "初次运行，无需准备："},
      {"Help for one command:", "单个命令的帮助："},
      {"COMMAND …", "命令 …"},
      {"[options]", "[选项]"},
      {"Exit: 0 success, 1 failure, 2 wrong usage, 3 bad data or files, 130 interrupted",
       "退出码：0 成功，1 失败，2 用法错误，3 数据或文件错误，130 被中断"},
      {"Options for model, recipe and machine are those of suanli train; see suanli train --help.",
       "suanli train 的模型、训练方案和运行环境选项在此同样适用：suanli train --help。"},
      {"target column of a table, same as DATA?target=COLUMN",
       "表格：要学习的列，等同于在 DATA 后写 ?target=列名"},
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
      {"Machine", "机器"},
      // verbs
      {"train a model on data; all results go to a run folder",
       "用数据训练模型，全部结果保存在运行目录中"},
      {"evaluate a trained model", "评测训练好的模型"},
      {"predict for pictures, rows of tables or arrays", "对图片或表格的每一行给出预测"},
      {"inspect data, download public data sets, pack pictures for fast reading",
       "查看数据、下载公开数据集、打包图片以便快速读取"},
      {"profile training steps", "显示训练步骤的时间花在哪里"},
      {"explain a step: passes, fusion, kernels, memory",
       "显示一步计算如何执行：优化、融合、内核、内存"},
      {"measure the peak performance of this machine", "测量本机的性能上限"},
      {"report what this machine offers and what is missing", "说明本机具备什么、缺少什么"},
      {"print a shell completion script", "生成命令行补全脚本"},
      {"print the manual page", "生成手册页"},
      {"print Markdown instead", "输出为 Markdown 页面"},
      {"print the version", "显示版本"},
      {"list the commands, or the options of one", "列出命令，或某个命令的选项"},
      // what they take
      {"a folder of pictures, a sub-folder per class; table.csv?target=COLUMN; glyphs; KIND:PATH; "
       "default glyphs",
       "图片目录（每类一个子目录）；table.csv?target=列名；glyphs；类型:路径；默认 glyphs"},
      {"the run folder", "运行目录"},
      {"data other than the run's own; - reads standard input", "换用其他数据；- 表示标准输入"},
      {"JPEG, PNG or WebP files, or folders of them (center crop, scaled to the training size); "
       "tables with a header line; arrays (.npz); - reads standard input",
       "JPEG、PNG、WebP 文件或目录（取中间部分并缩放到训练尺寸）；或带表头的表格、数组（.npz）；- "
       "表示标准输入"},
      {"show: counts, sizes, balance, brightness, duplicates, broken files; get: download; pack: "
       "write one file",
       "show：数量、尺寸、类别均衡、亮度、重复与损坏的文件；get：下载；pack：写成一个文件"},
      {"show and pack: as for suanli train, default glyphs; get: mnist, fashion-mnist or cifar10",
       "show 与 pack：同 suanli train，默认 glyphs；get：mnist、fashion-mnist 或 cifar10"},
      {"get: the folder, default downloads/DATA; pack: the file to write",
       "get：目录，默认 downloads/DATA；pack：要写的文件"},
      {"the word train", "单词 train：要剖析的对象"},
      {"same as for suanli train; default glyphs", "同 suanli train；默认 glyphs"},
      {"same as for suanli train; only shapes and classes matter; default glyphs. For --model gpt: "
       "random:tokens=256?vocab=5000",
       "同 suanli train；只看形状与类别；默认 glyphs。--model gpt 用 random:tokens=256?vocab=5000"},
      {"roofs: multiply-adds on registers, copying and reading of large arrays",
       "roofs：寄存器上的乘加、大数组的复制与读取"},
      {"bash, zsh or fish", "bash、zsh 或 fish"},
      {"the command to explain", "要说明的命令"},
      // options of training
      {"a model of the zoo: ", "模型库中的模型："},
      {"initial weights: a run, a safetensors file or a PyTorch state dict",
       "起始权重：训练目录、safetensors 或 PyTorch 的 state dict"},
      {"parameters to freeze: name patterns with * and ?, or backbone",
       "不训练的参数：可含 * 和 ? 的名字，或 backbone"},
      {"learning rate factor for all layers but the last", "除最后一层外的学习率倍数"},
      {"stem of image networks: small or large", "图像网络的入口：small 或 large"},
      {"task of a table: regression or classification",
       "表格任务：regression（回归）或 classification（分类）"},
      {"none, or a comma-separated list with optional values: ",
       "none，或用逗号连接的若干项，可改数值："},
      {"fraction of training samples for validation; 0: none", "用于验证的训练样本比例；0：不验证"},
      {"use at most N samples", "最多使用的样本数"},
      {"train and validate on the same N batches, as a check",
       "只在同样的 N 个批次上训练和验证：用于检查"},
      {"skip unreadable pictures", "跳过无法读取的图片"},
      {"sample all classes equally often, with replacement",
       "各类别抽样机会相同，小类别会重复抽取"},
      {"samples per batch; auto: the fastest size that fits in memory",
       "每批样本数；auto：装得下内存且试跑最快"},
      {"batches per optimizer step", "每次更新累积的批次数"},
      {"sgd, nesterov, adam or adamw", "sgd、nesterov、adam 或 adamw"},
      {"learning rate", "学习率"},
      {"momentum of sgd and nesterov", "用于 sgd 和 nesterov"},
      {"weight decay, in the gradient; decoupled for adamw",
       "权重衰减：计入梯度；adamw 中与梯度分开"},
      {"parameters that decay: weights, or all (biases and scales too)",
       "衰减对象：weights，或 all（含偏置与缩放）"},
      {"learning rate factors by name, such as *.bias=2, comma-separated; or none",
       "按名称的学习率倍数，如 *.bias=2，可用逗号连接多项；或 none"},
      {"parameters to freeze after some epochs, such as 0.bias=3; or none",
       "训练若干轮后冻结的参数，如 0.bias=3；或 none"},
      {"test-time augmentation in the final test: none, mirror or translate",
       "最终测试时取多个视角的平均：none、mirror（镜像）或 translate（镜像并平移）"},
      {"test-time augmentation: none, mirror or translate",
       "取每张图片多个视角的平均：none、mirror（镜像）或 translate（镜像并平移）"},
      {"learning rate schedule: constant, cosine, linear, onecycle or step",
       "学习率曲线：constant、cosine、linear、onecycle 或 step"},
      {"fraction of the run in which the learning rate rises", "学习率上升阶段占全程的比例"},
      {"initial learning rate factor", "上升起点的学习率倍数"},
      {"final learning rate factor", "终点的学习率倍数"},
      {"step schedule: milestones as fractions of the run", "step 曲线的下降位置（全程比例）"},
      {"step schedule: factor at each milestone", "step 曲线每次下降的倍数"},
      {"label smoothing: fraction of each target spread over all classes",
       "标签平滑：分给所有类别的比例"},
      {"class weights of the loss: none, auto, or a number per class",
       "损失的类别权重：none、auto 或每类一个数"},

      {"maximum gradient norm", "梯度范数上限"},
      {"rematerialize values until the run fits this much memory",
       "宁可重算而不保留中间值，直到内存够用"},
      {"maximum absolute gradient element", "梯度元素上限"},
      {"keep an exponential moving average of the weights with this decay",
       "保存权重的滑动平均（每步衰减）"},
      {"Lookahead: return to the average every N steps", "每 N 步让权重回到平均值"},
      {"seed of weights, sample order, validation split and dropout",
       "决定初始权重、顺序、验证划分与 dropout"},
      {"settings file like a run's config.toml; options override it",
       "与 config.toml 相同的设置文件；命令行选项优先"},
      {"one setting of config.toml; repeatable", "config.toml 的一项设置；可重复"},
      {"cpu or auto; cuda is refused, there is no GPU backend yet",
       "cpu 或 auto；尚无 GPU 后端，cuda 会报错"},
      {"compute threads", "计算线程数"},
      {"data loading threads; never change results", "读数据的线程数；不影响结果"},
      {"data loading threads", "读数据的线程数"},
      {"passes over the training data", "训练轮数"},
      {"time limit, such as 90s, 20m, 1.5h; speed is measured first",
       "先测速，再取放得下的轮数：90s、20m、1.5h"},
      {"stop after N epochs without improvement in validation", "连续 N 轮验证无改善即结束"},
      {"steps between checkpoints; 0: none by steps", "检查点间隔步数；0：不按步数保存"},
      {"minutes between checkpoints; 0: none by time", "检查点间隔分钟数；0：不按时间保存"},
      {"stop after N steps", "走完这么多步即结束"},
      {"resume a stopped or killed run bit for bit; DATA: the new place of its data",
       "从中断处继续，逐位一致；DATA：数据现在的位置"},
      {"with --resume: continue even if the result will not be bit-exact",
       "与 --resume 合用：不能逐位一致时也继续"},
      {"show data, layers, memory and time; stop before the first step",
       "显示数据、各层、内存与时间，第一步之前停止"},
      {"print the result or error as one JSON object on stdout",
       "在标准输出以一个 JSON 对象给出结果或错误"},
      {"print one JSON object on stdout", "在标准输出给出一个 JSON 对象"},
      {"print everything as one JSON object on stdout", "在标准输出以一个 JSON 对象给出全部内容"},
      {"show no progress", "不显示进度"},
      // of the other verbs
      {"train, val or test", "train、val 或 test"},
      {"write the confusion matrix as a PNG", "把混淆矩阵存为 PNG"},
      {"number of classes to list per picture or row", "每张图片或每行列出的类别数"},
      {"write predictions to a table instead of printing them", "把预测写成表格文件，不打印"},
      {"show: target column of a table, same as DATA?target=COLUMN",
       "show：表格中要学习的列，等同于在 DATA 后写 ?target=列名"},
      {"show: write the first ten training pictures of each class to a PNG",
       "show：每类前十张训练图片拼成一张 PNG"},
      {"show: augment these pictures as suanli train --augment LIST does",
       "show：这些图片在 suanli train --augment LIST 下的样子"},
      {"pack: skip unreadable pictures", "pack：跳过无法读取的图片"},
      {"profiled steps", "剖析的步数"},
      {"warm-up steps before them", "之前的热身步数"},
      {"write a trace for ui.perfetto.dev or Chrome",
       "写出 ui.perfetto.dev 与 Chrome 可画的跟踪文件"},
      {"short for --batch-size", "--batch-size 的简写"},
      {"explain the evaluation of a batch instead of training", "改为评测一批"},
      {"also list the records after each pass", "同时列出每遍优化后的记录"},
      {"write the graph as a self-contained HTML page", "把计算图画成一个离线网页"},
      {"measure again, ignoring stored results", "重新测量"},
      // defaults
      {"the recipe's", "按训练方案"},
      {"the recipe's epochs", "训练方案的轮数"},
      {"the schedule's", "按曲线"},
      {"one that fits the data", "按数据选择"},
      {"random weights", "随机权重"},
      {"none", "无"},
      {"by weights or picture size", "按权重或图片"},
      {"by the target column", "看目标列"},
      {"by the data", "按数据惯例"},
      {"all", "全部"},
      {"no", "否"},
      {"no limit", "不限"},
      {"never", "从不"},
      {"all CPUs of this process", "本进程可用的 CPU"},
      {"the run's", "与训练时相同"},
      {"test; val if there is none", "test；没有则 val"},
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
