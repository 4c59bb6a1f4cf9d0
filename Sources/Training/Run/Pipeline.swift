// The stages of a model at work at the same time: while one computes a micro-batch, the stage before it computes the
// next (Huang et al. 2019, "GPipe"). All micro-batches go forward, then all go backward, both in their order, and each
// stage adds up its own gradients in that order: the sums are those of one thread that does everything.

import Autodiff
import Glibc

/// Worker threads, each with a stage or several neighbouring ones. Used by one thread, which is the first worker.
final class Pipeline {
  /// A micro-batch on its way: a filled executor and what each worker does with it.
  struct Item {
    let executor: Executor
    let segments: PlanSegments
  }

  private let shared: SharedPipeline
  private var helpers: [HelperThread] = []

  /// Starts `workers` - 1 threads; `threads` are shared out evenly, each worker has at least one.
  init(workers: Int, threads: Int) throws {
    let shared = SharedPipeline((0..<workers).map { _ in ThreadPool(threads: max(1, threads / workers)) })
    self.shared = shared
    for number in 1..<workers {
      guard let helper = HelperThread({ shared.help(number) }) else {
        throw TrainingError(step: nil, description: "the system has no thread left for train.stages")
      }
      helpers.append(helper)
    }
  }

  deinit {
    shared.end()
    for helper in helpers { helper.join() }
  }

  var pools: [ThreadPool] { shared.pools }

  /// Carries out all items, whose random numbers are prepared. `finish` is called by worker w on its own thread when
  /// its gradients of item i are there, items in order.
  func run(_ items: [Item], finish: @escaping (_ worker: Int, _ item: Int) -> Void) {
    shared.begin(items, finish)
    shared.work(0)
    shared.waitForAll()
  }
}

/// What the workers of a pipeline see. Unchecked: the counts are only touched under the mutex; the rest is written
/// before the round's number is raised under it and read after.
private final class SharedPipeline: @unchecked Sendable {
  let pools: [ThreadPool]
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var items: [Pipeline.Item] = []
  private var finish: (Int, Int) -> Void = { _, _ in }
  private var round = 0
  private var isEnding = false
  /// By worker: how many items it has taken forward, and backward.
  private var forward: [Int]
  private var backward: [Int]

  init(_ pools: [ThreadPool]) {
    self.pools = pools
    forward = pools.map { _ in 0 }
    backward = forward
    mutex = .allocate(capacity: 1)
    changed = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  func begin(_ items: [Pipeline.Item], _ finish: @escaping (Int, Int) -> Void) {
    update {
      self.items = items
      self.finish = finish
      for worker in pools.indices { (forward[worker], backward[worker]) = (0, 0) }
      round += 1
    }
  }

  func end() { update { isEnding = true } }

  func waitForAll() {
    wait { backward.allSatisfy { $0 == items.count } }
    finish = { _, _ in }
  }

  func help(_ number: Int) {
    var seen = 0
    while true {
      wait { isEnding || round != seen }
      if isEnding { return }
      seen = round
      work(number)
    }
  }

  /// One round of worker `number`.
  func work(_ number: Int) {
    let (items, last) = (items, pools.count - 1)
    for (index, item) in items.enumerated() {
      if number > 0 { wait { forward[number - 1] > index } }
      item.executor.run(item.segments.forward[number], on: pools[number])
      update { forward[number] = index + 1 }
    }
    for (index, item) in items.enumerated() {
      if number < last { wait { backward[number + 1] > index } }
      item.executor.run(item.segments.backward[number], on: pools[number])
      finish(number, index)
      update { backward[number] = index + 1 }
    }
  }

  private func update(_ body: () -> Void) {
    pthread_mutex_lock(mutex)
    body()
    pthread_mutex_unlock(mutex)
    pthread_cond_broadcast(changed)
  }

  private func wait(_ condition: () -> Bool) {
    pthread_mutex_lock(mutex)
    while !condition() { pthread_cond_wait(changed, mutex) }
    pthread_mutex_unlock(mutex)
  }
}
