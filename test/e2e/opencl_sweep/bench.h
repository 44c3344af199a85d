// Bench: the objects that one call of the sweep is made with, and the lines that say what came of
// it: the same natively and served, so no address, no time. Objects are made when they are first
// asked for; close() says what became of the memory and releases all. What takes long to make (the
// context, a built program) is kept for the whole run.
// Threads: one; callbacks and complete_soon() use others. Lifetime: of the run.
#pragma once

#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "driver/opencl/table.h"

namespace flexai::test {

inline constexpr cl_int kUntouched = -9999;  // a code that no driver gives
extern const char* const kSource;            // kernels advance, local_sum, look, pairs, sized

// How a query is made: all of it, with one byte too little, its size alone, nothing, and with an
// answer that is made of pointers.
enum class Ask { kWhole, kShort, kSize, kNothing, kPointers };

// Callbacks; user_data is Bench::calls().
void CL_CALLBACK on_context(const char*, const void*, size_t, void* calls);
void CL_CALLBACK on_context_end(cl_context, void* calls);
void CL_CALLBACK on_event(cl_event, cl_int status, void* calls);
void CL_CALLBACK on_mem(cl_mem, void* calls);
void CL_CALLBACK on_program(cl_program, void* calls);
void CL_CALLBACK on_native(void*);

class Bench {
 public:
  using Table = driver::opencl::Table;

  Bench(const Table& table, cl_platform_id platform, cl_device_id device);

  const Table& table() const { return table_; }

  // For the whole run.
  cl_platform_id platform() { return platform_; }
  cl_device_id device() { return device_; }
  cl_context context();
  cl_context foreign();  // another one
  cl_program program();  // built

  // For the call.
  cl_device_id sub_device();
  cl_context new_context();
  cl_command_queue queue();  // in order
  cl_command_queue out_of_order();
  cl_command_queue foreign_queue();
  cl_mem buffer(size_t which);  // of 4096 bytes
  cl_mem foreign_buffer();
  cl_mem sub_buffer();  // 512 bytes from 1024 of buffer(0)
  cl_mem read_only_buffer();
  cl_mem using_buffer();  // of host(2)
  cl_mem host_buffer(cl_mem_flags flags);
  cl_mem passing_buffer();     // released by end_passing()
  cl_mem image(size_t which);  // 16 x 16 of four bytes
  cl_mem float_image();
  cl_sampler sampler();
  cl_sampler listed_sampler();
  cl_program source(const char* text);
  cl_program compiled(const char* text = kSource);
  cl_program from_binary();
  cl_kernel kernel();  // "advance" with its arguments
  cl_kernel kernel_named(const char* name);
  cl_kernel plain_kernel();  // of a program without argument information
  cl_kernel sized_kernel();
  cl_kernel local_kernel();
  cl_kernel foreign_kernel();
  cl_event event();   // ended
  cl_event marker();  // ends by itself
  cl_event profiled_event();
  cl_event waiting_event();  // waits for a user event
  cl_event failed_event();
  cl_event foreign_event();
  cl_event user_event();
  cl_command_buffer_khr command_buffer();  // with one command, sync_point()
  cl_command_buffer_khr finalized();
  cl_sync_point_khr sync_point() const { return sync_point_; }
  const size_t* binary_sizes();
  const unsigned char** binaries();
  void* map(cl_mem buffer);
  void* map_image(cl_mem image);
  void* shared_memory();
  void forget_shared() { shared_memory_ = nullptr; }  // the call has freed it

  // Memory of the program.
  unsigned char* host(size_t which);  // 4096 bytes, a pattern
  cl_image_format* format(cl_channel_order order, cl_channel_type type);
  cl_image_desc* desc(cl_mem_object_type type, size_t width, size_t height, size_t depth = 0,
                      size_t sheets = 0, cl_mem of = nullptr);
  cl_image_desc* desc_now() { return desc_; }  // the last one
  const char** texts(std::initializer_list<const char*> all);
  std::atomic<int>* calls();  // the case says how often they were called
  template <typename T>
  T* row(std::initializer_list<T> values) {
    T* at = static_cast<T*>(room(values.size() * sizeof(T) + 64, 0));
    std::copy(values.begin(), values.end(), at);
    return at;
  }
  template <typename T>
  T* out(size_t count = 1) {  // untouched bytes; pointers are null
    return static_cast<T*>(room(count * sizeof(T), std::is_pointer_v<T> ? 0 : kUntouchedByte));
  }
  template <typename T>
  static cl_context_properties number(T* handle) {
    return reinterpret_cast<cl_context_properties>(handle);
  }

  // Handles that are none.
  template <typename Handle>
  Handle other() {
    if constexpr (std::is_same_v<Handle, cl_context>)
      return reinterpret_cast<Handle>(device_);
    else
      return reinterpret_cast<Handle>(context());
  }
  template <typename Handle>
  Handle released() {
    return static_cast<Handle>(released_of(static_cast<Handle>(nullptr)));
  }
  template <typename Handle>
  Handle twice(Handle handle) {
    retain(handle);
    return handle;
  }

  // What is done besides the call.
  void build(cl_program program);
  void complete(cl_event user_event);
  void complete_later(cl_event user_event);     // when the call has returned
  cl_event complete_soon(cl_event user_event);  // while it is made
  void end_passing();

  // What came of it.
  void absent();
  void code(cl_int code);
  template <typename Handle>
  void made(Handle object) {
    say("made %s", object == nullptr ? "nothing" : "an object");
    if (object == nullptr) return;
    adopt(object);
    describe(object);
  }
  void answer(const void* pointer) { say("answer %s", pointer == nullptr ? "null" : "a pointer"); }
  void ended(cl_event event);
  using Query = std::function<cl_int(size_t, void*, size_t*)>;
  void info(const Query& query, Ask ask, bool hide);
  template <typename Handle>
  void handles(const char* name, Handle* list, size_t count, bool made_here) {
    for (size_t i = 0; i < count; ++i) {
      if (list[i] == nullptr) continue;
      say("%s[%zu] %s", name, i, made_here ? "made" : name_of(list[i]).c_str());
      if (made_here) adopt(list[i]);
    }
  }
  void bytes(const char* name, const void* at, size_t size);
  void called();
  void found(const void* function) { say("%s", function == nullptr ? "not found" : "found"); }
  void mapped(cl_command_queue queue, cl_mem object, void* at, size_t size, cl_map_flags flags);
  void state_of(cl_program program);
  void launch(cl_kernel kernel);
  void replay(cl_command_buffer_khr buffer);
  void shared(void* memory);

  void say(const char* format, ...) __attribute__((format(printf, 2, 3)));
  // Ends what is under way, says what is in the memory, releases. False: the card is lost.
  bool close();
  // Does not wait for callbacks, nor before it completes events: for drivers made up by a fuzzer.
  void be_quick() { quick_ = true; }

 private:
  static constexpr int kUntouchedByte = 0xa5;

  void* room(size_t size, int byte);
  void note(const void* handle, const std::string& name) { names_[handle] = name; }
  std::string name_of(const void* handle) const;
  cl_command_queue make_queue(cl_context context, cl_command_queue_properties properties);
  cl_mem make_buffer(cl_context context, cl_mem_flags flags, void* host, const char* name);
  cl_program make_program(cl_context context, const char* text, const char* options);
  void fill(std::vector<unsigned char>& bytes, size_t seed) const;
  void say_value(const unsigned char* at, size_t size);
  void say_memory();

  void* released_of(cl_context);
  void* released_of(cl_command_queue);
  void* released_of(cl_mem);
  void* released_of(cl_sampler);
  void* released_of(cl_program);
  void* released_of(cl_kernel);
  void* released_of(cl_event);
  void* released_of(cl_command_buffer_khr);

  void retain(cl_device_id device) { table_.clRetainDevice(device); }
  void retain(cl_context context) { table_.clRetainContext(context); }
  void retain(cl_command_queue queue) { table_.clRetainCommandQueue(queue); }
  void retain(cl_mem mem) { table_.clRetainMemObject(mem); }
  void retain(cl_sampler sampler) { table_.clRetainSampler(sampler); }
  void retain(cl_program program) { table_.clRetainProgram(program); }
  void retain(cl_kernel kernel) { table_.clRetainKernel(kernel); }
  void retain(cl_event event) { table_.clRetainEvent(event); }
  void retain(cl_command_buffer_khr buffer) { table_.clRetainCommandBufferKHR(buffer); }

  // Released by close(), the last one first.
  void adopt(cl_platform_id) {}
  void adopt(cl_device_id device);
  void adopt(cl_context context);
  void adopt(cl_command_queue queue);
  void adopt(cl_mem mem);
  void adopt(cl_sampler sampler);
  void adopt(cl_program program);
  void adopt(cl_kernel kernel);
  void adopt(cl_event event);
  void adopt(cl_command_buffer_khr buffer);

  void describe(cl_mem mem);
  void describe(cl_program program);
  void describe(cl_kernel kernel);
  void describe(cl_context context);
  void describe(cl_command_queue queue);
  void describe(cl_sampler sampler);
  void describe(cl_event event);
  void describe(cl_command_buffer_khr) {}

  const Table table_;
  const cl_platform_id platform_;
  const cl_device_id device_;
  cl_context context_ = nullptr, foreign_ = nullptr;
  cl_program program_ = nullptr;
  cl_command_queue clean_ = nullptr;  // no call of the sweep uses it
  std::vector<size_t> binary_sizes_;
  std::vector<std::vector<unsigned char>> binary_bytes_;
  std::vector<const unsigned char*> binaries_;
  std::map<const void*, std::string> names_kept_;

  std::map<const void*, std::string> names_;
  std::deque<std::unique_ptr<unsigned char[]>> rooms_;
  std::map<size_t, unsigned char*> hosts_;
  cl_image_desc* desc_ = nullptr;
  std::map<size_t, cl_mem> buffers_, images_;
  cl_device_id sub_device_ = nullptr;
  cl_command_queue queue_ = nullptr, out_of_order_ = nullptr, foreign_queue_ = nullptr;
  cl_mem sub_buffer_ = nullptr, foreign_buffer_ = nullptr, passing_ = nullptr, using_ = nullptr;
  cl_kernel kernel_ = nullptr;
  cl_event event_ = nullptr;
  cl_command_buffer_khr command_buffer_ = nullptr;
  cl_sync_point_khr sync_point_ = 0;
  void* shared_memory_ = nullptr;
  std::vector<cl_event> users_, later_;
  std::vector<std::thread> threads_;
  std::vector<std::function<void()>> releases_;
  std::atomic<int> calls_{0};
  bool calls_wanted_ = false, failed_ = false, quick_ = false;
};

}  // namespace flexai::test
