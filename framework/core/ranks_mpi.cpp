// framework/core/ranks_mpi.cpp: ranks as processes of MPI; the only file that knows MPI.
//
// A process that a launcher did not start never calls MPI_Init: `limpid` alone costs nothing more.
// MPI says nothing about a rank that was killed while others compute. So the ranks of a machine
// form a ring: each watches the process of the next one, and a byte of shared memory in which every
// rank says that it leaves by itself.
#include "framework/core/error.h"
#include "framework/core/ranks_messages.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mpi.h>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace limpid::ranks {
namespace {

using namespace std::chrono_literals;
using Flag = std::atomic<int>;  // in shared memory: 1 once a rank leaves by itself
static_assert(Flag::is_always_lock_free);

constexpr auto kLook = 50ms;    // between two looks at the next rank
constexpr auto kGrace = 150ms;  // a launcher that ends all ranks has ended this one by then
constexpr auto kFailure = 3s;   // how long rank 0 waits for the others to fail like itself

messages::Place own_place;
MPI_Comm closing = MPI_COMM_NULL;  // for leave() alone, so that it meets no other message

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  raise<Error>(
      "ranks", call, " failed on rank ", own_place.mine, " of ", own_place.count, ": ",
      std::string(text, static_cast<size_t>(length)));
}

bool has_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  return false;
}

// Gone, or ended and not yet taken note of.
bool has_ended(int process) {
  if (kill(process, 0) != 0) return errno == ESRCH;
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;  // a system without /proc
  const size_t name_end = line.rfind(')');
  return name_end + 2 < line.size() && (line[name_end + 2] == 'Z' || line[name_end + 2] == 'X');
}

// The ranks of one machine and the thread that watches the next of them.
class Ring {
 public:
  explicit Ring(LostRank lost) : lost_(std::move(lost)) {
    MPI_Comm machine = MPI_COMM_NULL;
    check_mpi(
        MPI_Comm_split_type(
            MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, own_place.mine, MPI_INFO_NULL, &machine),
        "MPI_Comm_split_type");
    int here = 0;
    MPI_Comm_rank(machine, &here);
    MPI_Comm_size(machine, &own_place.on_this_machine);
    const int next = (here + 1) % own_place.on_this_machine;

    const int own[2] = {own_place.mine, static_cast<int>(getpid())};
    std::vector<int> all(2 * static_cast<size_t>(own_place.on_this_machine));
    check_mpi(MPI_Allgather(own, 2, MPI_INT, all.data(), 2, MPI_INT, machine), "MPI_Allgather");
    next_rank_ = all[2 * static_cast<size_t>(next)];
    next_process_ = all[2 * static_cast<size_t>(next) + 1];

    void* memory = nullptr;
    check_mpi(
        MPI_Win_allocate_shared(sizeof(Flag), 1, MPI_INFO_NULL, machine, &memory, &window_),
        "MPI_Win_allocate_shared");
    own_flag_ = new (memory) Flag(0);
    MPI_Aint size = 0;
    int unit = 0;
    MPI_Win_shared_query(window_, next, &size, &unit, &memory);
    next_flag_ = static_cast<Flag*>(memory);
    MPI_Barrier(machine);
    MPI_Comm_free(&machine);
    if (own_place.on_this_machine > 1) watcher_ = std::thread([this] { watch(); });
  }
  ~Ring() { stop(); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Says that this rank leaves by itself, and looks no longer after the next.
  void leave() {
    own_flag_->store(1);
    stop();
  }
  void free_memory() { MPI_Win_free(&window_); }

 private:
  void stop() {
    stops_ = true;
    if (watcher_.joinable()) watcher_.join();
  }

  void watch() {
    while (!stops_) {
      if (next_flag_->load() != 0) return;
      if (has_ended(next_process_) && next_flag_->load() == 0) {
        std::this_thread::sleep_for(kGrace);
        if (stops_) return;
        lost_(next_rank_);
        std::this_thread::sleep_for(kFailure);  // the launcher ends all ranks meanwhile
        _exit(1);
      }
      std::this_thread::sleep_for(kLook);
    }
  }

  LostRank lost_;
  int next_rank_ = 0;
  int next_process_ = 0;
  MPI_Win window_ = MPI_WIN_NULL;
  Flag* own_flag_ = nullptr;
  Flag* next_flag_ = nullptr;
  std::atomic<bool> stops_ = false;
  std::thread watcher_;
};

std::unique_ptr<Ring> ring;

// Counts and places as MPI wants them.
struct Pieces {
  std::vector<int> counts, places;

  explicit Pieces(std::span<const int64_t> sizes) {
    int64_t at = 0;
    for (const int64_t size : sizes) {
      counts.push_back(static_cast<int>(size));
      places.push_back(static_cast<int>(at));
      at += size;
    }
    check_value(at <= INT_MAX, "ranks", "a message of ", at, " bytes; MPI takes ", INT_MAX);
  }
};

}  // namespace

namespace messages {

const Place& place() { return own_place; }

void gather(std::span<const std::byte> own, std::span<const int64_t> sizes, std::byte* all) {
  if (own_place.count == 1) {
    std::copy(own.begin(), own.end(), all);
    return;
  }
  const Pieces pieces(sizes);
  check_mpi(
      MPI_Allgatherv(
          own.data(), static_cast<int>(own.size()), MPI_BYTE, all, pieces.counts.data(),
          pieces.places.data(), MPI_BYTE, MPI_COMM_WORLD),
      "MPI_Allgatherv");
}

void exchange(
    const std::byte* to, std::span<const int64_t> to_sizes, std::byte* from,
    std::span<const int64_t> from_sizes) {
  const Pieces out(to_sizes), in(from_sizes);
  check_mpi(
      MPI_Alltoallv(
          to, out.counts.data(), out.places.data(), MPI_BYTE, from, in.counts.data(),
          in.places.data(), MPI_BYTE, MPI_COMM_WORLD),
      "MPI_Alltoallv");
}

}  // namespace messages

void join(LostRank lost) {
  if (!has_launcher()) return;
  int level = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &own_place.mine);
  MPI_Comm_size(MPI_COMM_WORLD, &own_place.count);
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &closing), "MPI_Comm_dup");
  if (own_place.count > 1) ring = std::make_unique<Ring>(std::move(lost));
}

bool leave(int status) {
  if (closing == MPI_COMM_NULL) return true;
  if (ring) ring->leave();
  std::vector<int> all(static_cast<size_t>(own_place.count), -1);
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(
      MPI_Iallgather(&status, 1, MPI_INT, all.data(), 1, MPI_INT, closing, &request),
      "MPI_Iallgather");
  const auto start = std::chrono::steady_clock::now();
  for (int done = 0; done == 0;) {
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) break;
    const auto limit = own_place.mine == 0 ? kFailure : 2 * kFailure;  // rank 0 speaks first
    if (status != 0 && std::chrono::steady_clock::now() - start > limit) return false;
    std::this_thread::sleep_for(1ms);
  }
  if (ring) ring->free_memory();
  MPI_Finalize();
  for (const int other : all) {
    if (other != status) return false;
  }
  return true;
}

void abandon(int status) {
  int is_over = 0;
  MPI_Finalized(&is_over);
  if (is_over == 0 && closing != MPI_COMM_NULL) MPI_Abort(MPI_COMM_WORLD, status);
  _exit(status);
}

}  // namespace limpid::ranks
