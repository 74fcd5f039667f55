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
      {"First run, nothing needed:", "初次运行，无需准备："},
      {"Help of one command:", "单个命令的帮助："},
      {"COMMAND …", "命令 …"},
      {"[options]", "[选项]"},
      {"Exit: 0 good, 1 failure, 2 wrong usage, 3 wrong data or files, 130 interrupted",
       "退出码：0 成功，1 失败，2 用法错误，3 数据或文件错误，130 被中断"},
      {"The options of suanli train for model, recipe and machine hold here too: suanli train "
       "--help.",
       "suanli train 的模型、训练方案和运行环境选项在此同样适用：suanli train --help。"},
      {"of a table: the column to learn, as ?target=COLUMN behind DATA",
       "表格：要学习的列，等同于在 DATA 后写 ?target=列名"},
      {"default:", "默认："},
      {"Examples:", "示例："},
      {"this text", "显示本帮助"},
      {"Model and data", "模型与数据"},
      {"Recipe", "训练方案"},
      {"Machine", "机器"},
      // verbs
      {"trains a model on data and keeps everything in a run folder",
       "用数据训练模型，全部结果保存在运行目录中"},
      {"measures a trained model", "评测训练好的模型"},
      {"answers for pictures or the rows of tables", "对图片或表格的每一行给出预测"},
      {"shows what data hold, gets published sets, packs pictures for quick reading",
       "查看数据、下载公开数据集、打包图片以便快速读取"},
      {"shows where the time of training steps goes", "显示训练步骤的时间花在哪里"},
      {"shows what becomes of a step: passes, fusion, kernels, memory",
       "显示一步计算如何执行：优化、融合、内核、内存"},
      {"measures what this machine can do at best", "测量本机的性能上限"},
      {"says what this machine offers and what is missing", "说明本机具备什么、缺少什么"},
      {"writes the completion of a shell", "生成命令行补全脚本"},
      {"writes the manual page", "生成手册页"},
      {"as a page of Markdown", "输出为 Markdown 页面"},
      {"prints the version", "显示版本"},
      {"shows the commands, or the options of one", "列出命令，或某个命令的选项"},
      // what they take
      {"a folder of pictures, a sub-folder per class; table.csv?target=COLUMN; glyphs; KIND:PATH; "
       "default glyphs",
       "图片目录（每类一个子目录）；table.csv?target=列名；glyphs；类型:路径；默认 glyphs"},
      {"the run folder", "运行目录"},
      {"other data than the run's own; - reads the standard input", "换用其他数据；- 表示标准输入"},
      {"JPEG, PNG or WebP files, or folders of them (the middle is scaled to the size of "
       "training); or tables with a header line, or "
       "arrays "
       "(.npz); - reads the standard input",
       "JPEG、PNG、WebP 文件或目录（取中间部分并缩放到训练尺寸）；或带表头的表格、数组（.npz）；- "
       "表示标准输入"},
      {"show: counts, sizes, balance, brightness, duplicates, broken files; get: downloads; pack: "
       "writes one file",
       "show：数量、尺寸、类别均衡、亮度、重复与损坏的文件；get：下载；pack：写成一个文件"},
      {"show and pack: as for suanli train, default glyphs; get: mnist, fashion-mnist or cifar10",
       "show 与 pack：同 suanli train，默认 glyphs；get：mnist、fashion-mnist 或 cifar10"},
      {"get: the folder, default downloads/DATA; pack: the file to write",
       "get：目录，默认 downloads/DATA；pack：要写的文件"},
      {"the word train: what is profiled", "单词 train：要剖析的对象"},
      {"as in suanli train; default glyphs", "同 suanli train；默认 glyphs"},
      {"as in suanli train; only shapes and classes matter; default glyphs. For --model gpt: "
       "random:tokens=256?vocab=5000",
       "同 suanli train；只看形状与类别；默认 glyphs。--model gpt 用 random:tokens=256?vocab=5000"},
      {"roofs: multiply-adds on registers, copying and reading of large arrays",
       "roofs：寄存器上的乘加、大数组的复制与读取"},
      {"bash, zsh or fish", "bash、zsh 或 fish"},
      {"the command to explain", "要说明的命令"},
      // options of training
      {"a model of the zoo: ", "模型库中的模型："},
      {"begins with: a run, safetensors, or a state dict by PyTorch",
       "起始权重：训练目录、safetensors 或 PyTorch 的 state dict"},
      {"parameters that stay: names with * and ?, or backbone",
       "不训练的参数：可含 * 和 ? 的名字，或 backbone"},
      {"learning rate of all but the last layer, as a factor", "除最后一层外的学习率倍数"},
      {"of networks for pictures: small or large", "图像网络的入口：small 或 large"},
      {"of a table: regression or classification",
       "表格任务：regression（回归）或 classification（分类）"},
      {"none, or some of these with commas between, other numbers if given: ",
       "none，或用逗号连接的若干项，可改数值："},
      {"of the training samples that validates; 0: none", "用于验证的训练样本比例；0：不验证"},
      {"uses so many samples at most", "最多使用的样本数"},
      {"trains and validates on the same N batches: a check",
       "只在同样的 N 个批次上训练和验证：用于检查"},
      {"leaves out pictures that cannot be read", "跳过无法读取的图片"},
      {"draws all classes equally often, small ones again and again",
       "各类别抽样机会相同，小类别会重复抽取"},
      {"samples per batch, or auto: fits the memory, fastest in a trial",
       "每批样本数；auto：装得下内存且试跑最快"},
      {"batches per step of the optimizer", "每次更新累积的批次数"},
      {"sgd, nesterov, adam or adamw", "sgd、nesterov、adam 或 adamw"},
      {"learning rate", "学习率"},
      {"of sgd and nesterov", "用于 sgd 和 nesterov"},
      {"in the gradient; of adamw apart from it", "权重衰减：计入梯度；adamw 中与梯度分开"},
      {"weights, or all: biases and scales too", "衰减对象：weights，或 all（含偏置与缩放）"},
      {"factors of lr by name, as *.bias=2 with commas between, or none",
       "按名称的学习率倍数，如 *.bias=2，可用逗号连接多项；或 none"},
      {"parameters that stay after so many epochs, as 0.bias=3, or none",
       "训练若干轮后冻结的参数，如 0.bias=3；或 none"},
      {"in the test at the end, the mean of several views: none, mirror or translate",
       "最终测试时取多个视角的平均：none、mirror（镜像）或 translate（镜像并平移）"},
      {"the mean of several views of each picture: none, mirror or translate",
       "取每张图片多个视角的平均：none、mirror（镜像）或 translate（镜像并平移）"},
      {"of lr: constant, cosine, linear, onecycle or step",
       "学习率曲线：constant、cosine、linear、onecycle 或 step"},
      {"of the run in which lr rises", "学习率上升阶段占全程的比例"},
      {"factor of lr where it rises from", "上升起点的学习率倍数"},
      {"factor of lr at the end", "终点的学习率倍数"},
      {"of schedule step: shares of the run", "step 曲线的下降位置（全程比例）"},
      {"of schedule step: factor at each milestone", "step 曲线每次下降的倍数"},
      {"of each target that all classes share", "标签平滑：分给所有类别的比例"},
      {"of the loss: none, auto, or a number per class", "损失的类别权重：none、auto 或每类一个数"},

      {"longest gradient", "梯度范数上限"},
      {"computes values again rather than keep them until the run fits",
       "宁可重算而不保留中间值，直到内存够用"},
      {"largest element of a gradient", "梯度元素上限"},
      {"keeps an average of the weights with this decay per step",
       "保存权重的滑动平均（每步衰减）"},
      {"weights return to their average every N steps", "每 N 步让权重回到平均值"},
      {"decides weights, order, validation split and dropout",
       "决定初始权重、顺序、验证划分与 dropout"},
      {"settings as in a run's config.toml; options go before it",
       "与 config.toml 相同的设置文件；命令行选项优先"},
      {"one setting of config.toml; may be repeated", "config.toml 的一项设置；可重复"},
      {"cpu, cuda or auto", "cpu、cuda 或 auto"},
      {"that compute", "计算线程数"},
      {"that read data; never changes a result", "读数据的线程数；不影响结果"},
      {"that read data", "读数据的线程数"},
      {"passes over the training data", "训练轮数"},
      {"as many epochs as fit, measured first: 90s, 20m, 1.5h",
       "先测速，再取放得下的轮数：90s、20m、1.5h"},
      {"ends after N epochs without a better validation", "连续 N 轮验证无改善即结束"},
      {"steps between checkpoints; 0: none by steps", "检查点间隔步数；0：不按步数保存"},
      {"minutes between checkpoints; 0: none by time", "检查点间隔分钟数；0：不按时间保存"},
      {"ends after so many steps", "走完这么多步即结束"},
      {"goes on with a run where it was stopped or killed, bit for bit; DATA: where its data are "
       "now",
       "从中断处继续，逐位一致；DATA：数据现在的位置"},
      {"with --resume: also where the result will not be bit-exact",
       "与 --resume 合用：不能逐位一致时也继续"},
      {"shows data, layers, memory and time, and stops before the first step",
       "显示数据、各层、内存与时间，第一步之前停止"},
      {"the result, or the error, as one JSON object on stdout",
       "在标准输出以一个 JSON 对象给出结果或错误"},
      {"as one JSON object on stdout", "在标准输出给出一个 JSON 对象"},
      {"everything as one JSON object on stdout", "在标准输出以一个 JSON 对象给出全部内容"},
      {"no progress", "不显示进度"},
      // of the other verbs
      {"train, val or test", "train、val 或 test"},
      {"the confusion matrix as a PNG", "把混淆矩阵存为 PNG"},
      {"classes to list per picture or row", "每张图片或每行列出的类别数"},
      {"writes the answers there as a table instead of printing them",
       "把预测写成表格文件，不打印"},
      {"show: of a table: the column to learn, as ?target=COLUMN behind DATA",
       "show：表格中要学习的列，等同于在 DATA 后写 ?target=列名"},
      {"show: the first ten training pictures of each class as one PNG",
       "show：每类前十张训练图片拼成一张 PNG"},
      {"show: these pictures as suanli train --augment LIST would see them",
       "show：这些图片在 suanli train --augment LIST 下的样子"},
      {"pack: leaves out pictures that cannot be read", "pack：跳过无法读取的图片"},
      {"that are profiled", "剖析的步数"},
      {"steps before them", "之前的热身步数"},
      {"writes a trace that ui.perfetto.dev and Chrome draw",
       "写出 ui.perfetto.dev 与 Chrome 可画的跟踪文件"},
      {"short for --batch-size", "--batch-size 的简写"},
      {"evaluating a batch instead of training with it", "改为评测一批"},
      {"also the records after each pass", "同时列出每遍优化后的记录"},
      {"draws the graph on one page that needs no network", "把计算图画成一个离线网页"},
      {"measures anew, although it was measured before", "重新测量"},
      // defaults
      {"the recipe's", "按训练方案"},
      {"the recipe's epochs", "训练方案的轮数"},
      {"the schedule's", "按曲线"},
      {"one that fits the data", "按数据选择"},
      {"random weights", "随机权重"},
      {"none", "无"},
      {"as the weights or pictures ask", "按权重或图片"},
      {"as the target column looks", "看目标列"},
      {"as usual for the data", "按数据惯例"},
      {"all", "全部"},
      {"no", "否"},
      {"no limit", "不限"},
      {"never", "从不"},
      {"the CPUs of this process", "本进程可用的 CPU"},
      {"the run's", "与训练时相同"},
      {"test, or val if there is none", "test；没有则 val"},
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
