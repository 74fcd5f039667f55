// SPDX-License-Identifier: Apache-2.0
// Batches, read ahead on threads and handed out in order.
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

#include "base/core/philox.h"
#include "base/system/stopwatch.h"
#include "base/text/text.h"
#include "base/threads/fork.h"
#include "data/augment/augment.h"
#include "data/augment/mixing.h"
#include "data/datasets/labels.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "suanli/session.h"

namespace suanli::data {
namespace {

/// Views can be made of pictures in [0, 1] that have a class.
void require_pictures(const Info& info) {
  auto refuse = [](std::string given, std::string expected) {
    throw ArgumentError({.op = "Loader",
                         .argument = "augment",
                         .given = std::move(given),
                         .expected = std::move(expected),
                         .remedy = "Train without augmentation.",
                         .settings = {"augment"}});
  };
  if (info.input_shape.rank() != 3)
    refuse(str("samples of shape ", info.input_shape), "pictures, [C, H, W]");
  if (info.any_range)
    refuse("samples with values of any size", "pictures of bytes, or of numbers from 0 to 1");
  if (info.task == Task::regression)
    refuse("pictures whose targets are numbers", "pictures with classes");
}

/// For each place how often its sample came before; null where none comes twice.
std::shared_ptr<const std::vector<int32_t>> occurrences_in(const std::vector<int64_t>& order,
                                                           int64_t samples) {
  std::vector<int32_t> seen(static_cast<size_t>(samples));
  auto out = std::make_shared<std::vector<int32_t>>();
  out->reserve(order.size());
  bool again = false;
  for (int64_t i : order) {
    out->push_back(seen[static_cast<size_t>(i)]++);
    again = again || out->back() > 0;
  }
  return again ? out : nullptr;
}

}  // namespace

// A ring of options.queue slots: batch b lives in slot b mod queue, so order needs no sorting. A
// thread may claim batch b only while b < taken + queue; that bounds the memory. start() raises
// `generation`: batches still in the making for an older one are thrown away when they are done,
// and nobody waits for them.
struct Loader::State {
  struct Slot {
    bool full = false;
    Batch batch;
    std::exception_ptr error;
  };
  /// The samples of the batches of one start().
  struct Pass {
    std::shared_ptr<const std::vector<int64_t>> order;        // null: the order of the data set
    // for each place in `order`, how often the sample came before; null: never
    std::shared_ptr<const std::vector<int32_t>> occurrences;
    int64_t epoch = 0;
  };

  std::shared_ptr<const Dataset> dataset;
  LoaderOptions options;
  const Session session = Session::current();  // that batches are charged to
  int64_t samples = 0, batches = 0, epoch = -1;  // the first two: per epoch
  bool fresh = false;  // start() was called and nothing was taken since
  double waited = 0;
  Batch current;       // what the iterator shows

  std::mutex mutex;  // guards what follows
  std::condition_variable work, ready;
  std::vector<Slot> slots;
  Pass pass;
  uint64_t generation = 0;
  int64_t claimed = 0, taken = 0;
  bool stop = false;
  std::vector<std::thread> threads;
  uint32_t generation_of_threads = fork_generation();

  /// In the child of a fork() the threads are gone, and one of them may have held the lock, or been
  /// at a slot. Their results stay where they are; other threads begin behind the last batch that
  /// was taken.
  void renew_after_fork() {
    if (generation_of_threads == fork_generation()) return;
    generation_of_threads = fork_generation();
    new (&mutex) std::mutex;
    new (&work) std::condition_variable;
    new (&ready) std::condition_variable;
    // to destroy one that was not joined ends the program
    new std::vector<std::thread>(std::move(threads));
    const size_t count = slots.size();
    new std::vector<Slot>(std::move(slots));
    slots = std::vector<Slot>(count);
    claimed = taken;
  }
  void start_threads() {
    while (static_cast<int>(threads.size()) < options.threads)
      threads.emplace_back([this] { run(); });
  }

  ~State() {
    renew_after_fork();
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    work.notify_all();
    for (std::thread& t : threads) t.join();
  }

  Batch make(const Pass& from, int64_t index) const {
    const int64_t first = index * options.batch_size,
                  count = std::min(options.batch_size, samples - first);
    const Shape& sample = dataset->info().input_shape;
    const int64_t values = sample.numel();
    Shape shape{count};
    for (int64_t size : sample) shape.push_back(size);

    Batch batch;
    batch.index = index;
    const Info& info = dataset->info();
    auto which = [&](int64_t i) {
      return from.order ? (*from.order)[static_cast<size_t>(first + i)] : first + i;
    };
    if (info.task == Task::regression) {
      fill<float>(batch.y, Shape{count}, [&](float* targets) {
        fill<float>(batch.x, shape, [&](float* inputs) {
          for (int64_t i = 0; i < count; ++i)
            dataset->read_value(which(i), inputs + i * values, targets + i);
        });
      });
      return batch;
    }
    std::optional<ViewMaker> views;
    if (options.augment.any()) views.emplace(*dataset, options.augment, options.seed);
    auto before = [&](int64_t i) {
      return from.occurrences ? (*from.occurrences)[static_cast<size_t>(first + i)] : 0;
    };
    auto read = [&](float* inputs, int64_t* labels) {
      for (int64_t i = 0; i < count; ++i) {
        float* x = inputs + i * values;
        if (views) views->read(which(i), from.epoch, before(i), x, labels + i);
        else dataset->read(which(i), x, labels + i);
        // Without Info::classes labels belong to the user's own loss; mixing needs the classes.
        if (info.classes > 0 || options.augment.mixes()) checked_label(info, which(i), labels[i]);
      }
    };
    if (!options.augment.mixes()) {
      fill<int64_t>(batch.y, Shape{count}, [&](int64_t* labels) {
        fill<float>(batch.x, shape, [&](float* inputs) { read(inputs, labels); });
      });
      return batch;
    }
    if (info.classes < 1) checked_label(info, which(0), 0);  // says that the classes are missing
    fill<float>(batch.y, Shape{count, info.classes}, [&](float* targets) {
      std::vector<int64_t> labels(static_cast<size_t>(count));
      double share = 1;
      fill<float>(batch.x, shape, [&](float* inputs) {
        read(inputs, labels.data());
        share =
            mix_batch(options.augment, sample, count,
                      epoch_draws(options.seed, PhiloxDomain::mixing, from.epoch, index), inputs);
      });
      shares_of(labels.data(), count, info.classes, share, targets);
    });
    return batch;
  }

  /// tensor = one of T's that `write` fills.
  template <class T, class F> static void fill(Tensor& tensor, const Shape& shape, F&& write) {
    tensor =
        tensor_filled_by(shape, dtype_of<T>, [&](void* data) { write(static_cast<T*>(data)); });
  }

  void run() {
    const Session::Use use(session);
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock,
                [&] { return stop || (claimed < batches && claimed < taken + options.queue); });
      if (stop) return;
      const int64_t index = claimed++;
      const uint64_t mine = generation;
      const Pass from = pass;
      lock.unlock();
      Slot made{.full = true, .batch = {}, .error = nullptr};
      try {
        made.batch = make(from, index);
      } catch (...) { made.error = std::current_exception(); }
      lock.lock();
      if (stop) return;
      if (mine == generation) {
        slots[static_cast<size_t>(index % options.queue)] = std::move(made);
        ready.notify_one();
      } else {
        lock.unlock();  // freeing a batch takes time that the others need not wait
        made = {};
        lock.lock();
      }
    }
  }
};

int64_t usual_queue(const Info& info, int64_t batch_size) {
  const int64_t bytes = std::max<int64_t>(1, info.input_shape.numel()) * batch_size *
                        static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>((int64_t{128} << 20) / bytes, 2, 4);
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options)
    : state_(std::make_unique<State>()) {
  if (!dataset)
    throw ArgumentError({.op = "Loader",
                         .argument = "dataset",
                         .given = "null",
                         .expected = "a data set",
                         .remedy = "Splits::val is null where there is no validation split."});
  auto require = [](bool ok, const char* name, int64_t value, const char* range) {
    if (!ok)
      throw ArgumentError(
          {.op = "Loader", .argument = name, .given = str(value), .expected = range});
  };
  require(options.batch_size >= 1, "batch_size", options.batch_size, "at least 1");
  require(options.threads >= 0 && options.threads <= 256, "threads", options.threads, "0 to 256");
  require(options.queue >= 0 && options.queue <= 4096, "queue", options.queue, "0 to 4096");
  if (options.queue == 0) options.queue = usual_queue(dataset->info(), options.batch_size);
  if (options.augment.any()) require_pictures(dataset->info());
  if (!options.sampler && options.shuffle)
    options.sampler = random_sampler(dataset->size(), options.seed);
  state_->samples = options.sampler ? options.sampler->size() : dataset->size();
  const int64_t full = state_->samples / options.batch_size,
                rest = state_->samples % options.batch_size;
  state_->batches = full + (rest > 0 && !options.drop_last ? 1 : 0);
  state_->dataset = std::move(dataset);
  state_->options = options;
}

Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

int64_t Loader::batches() const { return state_->batches; }
int64_t Loader::epoch() const { return state_->epoch; }
const Dataset& Loader::dataset() const { return *state_->dataset; }
const LoaderOptions& Loader::options() const { return state_->options; }
double Loader::wait_seconds() const { return state_->waited; }

void Loader::start(int64_t epoch, int64_t first_batch) {
  State& s = *state_;
  if (epoch < 0)
    throw ArgumentError({.op = "Loader::start",
                         .argument = "epoch",
                         .given = str(epoch),
                         .expected = "at least 0"});
  if (first_batch < 0 || first_batch > s.batches)
    throw ArgumentError({.op = "Loader::start",
                         .argument = "first_batch",
                         .given = str(first_batch),
                         .expected = str("0 to ", s.batches, ", the batches of an epoch")});
  State::Pass pass{.order = nullptr, .occurrences = nullptr, .epoch = epoch};
  if (s.options.sampler) {
    pass.order = std::make_shared<const std::vector<int64_t>>(s.options.sampler->order(epoch));
    for (int64_t i : *pass.order)
      if (i < 0 || i >= s.dataset->size())
        throw ArgumentError({.op = "Loader",
                             .argument = "sampler",
                             .given = str("sample ", i),
                             .expected = str("at least 0, below ", s.dataset->size())});
    if (s.options.augment.any()) pass.occurrences = occurrences_in(*pass.order, s.dataset->size());
  }

  s.renew_after_fork();
  std::vector<State::Slot> dropped(s.options.threads > 0 ? static_cast<size_t>(s.options.queue)
                                                         : 0);
  {
    std::lock_guard lock(s.mutex);
    ++s.generation;
    s.slots.swap(dropped);
    s.pass = std::move(pass);
    s.claimed = s.taken = first_batch;
  }
  s.epoch = epoch;
  s.fresh = true;
  s.work.notify_all();
  s.start_threads();
}

bool Loader::next(Batch& batch) {
  flush();  // the device computes the last step while this thread waits for data
  State& s = *state_;
  if (s.epoch < 0) start(0);
  s.fresh = false;
  s.renew_after_fork();
  s.start_threads();
  batch = {};  // a batch that nobody holds any more is freed before the next one is there
  if (s.taken == s.batches) return false;

  const Stopwatch watch;
  if (s.options.threads == 0) {
    const Session::Use use(s.session);
    batch = s.make(s.pass, s.taken);
    ++s.taken;
  } else {
    std::unique_lock lock(s.mutex);
    State::Slot& slot = s.slots[static_cast<size_t>(s.taken % s.options.queue)];
    s.ready.wait(lock, [&] { return slot.full; });
    if (slot.error) std::rethrow_exception(slot.error);
    batch = std::move(slot.batch);
    slot = {};
    ++s.taken;
    lock.unlock();
    s.work.notify_one();
  }
  s.waited += watch.seconds();
  return true;
}

Loader::Iterator Loader::begin() {
  if (!state_->fresh) start(state_->epoch + 1);
  Iterator first(this);
  return ++first;
}

Batch& Loader::Iterator::operator*() const { return loader_->state_->current; }

Loader::Iterator& Loader::Iterator::operator++() {
  if (!loader_->next(loader_->state_->current)) loader_ = nullptr;
  return *this;
}

}  // namespace suanli::data
