#include "remote/knock.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "wire/socket.h"

namespace flexai::remote {
namespace {

Introduction sample() {
  return {"tls:gpu1:7700/00ff", {"certificate", "key", "authority"}, std::vector(3, std::byte{7})};
}

// A door that answers one knock.
struct Door {
  explicit Door(base::Result<Introduction> answer) {
    folder = (std::filesystem::temp_directory_path() / "flexai-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    auto listener = wire::listen_socket({wire::Carrier::kUnix, folder + "/door", 0, ""});
    EXPECT_TRUE(listener.ok());
    thread = std::thread([listener = std::move(*listener), answer = std::move(answer)] {
      auto one = wire::accept_socket(listener.get(), base::monotonic_now() + 20 * base::kSecond);
      if (one.ok()) answer_knock(one->get(), answer);
    });
  }
  ~Door() {
    thread.join();
    std::filesystem::remove_all(folder);
  }
  auto knock() {
    return remote::knock("door:" + folder + "/door", base::monotonic_now() + 20 * base::kSecond);
  }
  std::string folder;
  std::thread thread;
};

TEST(Knock, GetsWhatTheDoorGives) {
  Door door(sample());
  auto got = door.knock();
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->endpoint, "tls:gpu1:7700/00ff");
  EXPECT_EQ(got->identity.key, "key");
  EXPECT_EQ(got->lease, sample().lease);
}

TEST(Knock, AnErrorIsToldInItsOwnWords) {
  Door door(base::fail(base::Code::kExhausted, "no room on gpu1"));
  auto got = door.knock();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().message, "no room on gpu1");
  EXPECT_FALSE(knock("door:/nowhere/door", base::monotonic_now() + base::kSecond).ok());
}

// As when an agent has ended: its socket lies there, or it hangs up before it has said a word.
TEST(Knock, WaitsForADoorThatComesBack) {
  std::string folder = (std::filesystem::temp_directory_path() / "flexai-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const wire::Endpoint at{wire::Carrier::kUnix, folder + "/door", 0, ""};
  { auto gone = wire::listen_socket(at); }
  ASSERT_EQ(::access(at.place.c_str(), F_OK), 0);
  std::thread agent([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    auto listener = wire::listen_socket(at);
    for (const bool speaks : {false, true}) {
      auto one = wire::accept_socket(listener->get(), base::monotonic_now() + 20 * base::kSecond);
      if (one.ok() && speaks) answer_knock(one->get(), sample());
    }
  });
  auto got = knock("door:" + at.place, base::monotonic_now() + 20 * base::kSecond);
  agent.join();
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->endpoint, "tls:gpu1:7700/00ff");
}

TEST(Appointment, RecordsReadBackAndBadOnesAreRefused) {
  Appointment made{"00ff", "client-1", {"c", "k", "a"}, {}, std::vector(5, std::byte{9})};
  made.issuer[31] = std::byte{3};
  wire::Writer writer;
  ASSERT_TRUE(encode(made, writer).ok());
  auto read = decode_appointment(writer.bytes());
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->client, "client-1");
  EXPECT_EQ(read->issuer, made.issuer);
  EXPECT_EQ(read->lease, made.lease);
  for (size_t size = 0; size < writer.bytes().size(); ++size)
    EXPECT_FALSE(decode_appointment(writer.bytes().first(size)).ok()) << size;
  EXPECT_FALSE(decode_introduction(writer.bytes()).ok());
}

TEST(Appointment, WordsReachTheWorker) {
  std::string folder = (std::filesystem::temp_directory_path() / "flexai-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/worker";
  EXPECT_EQ(tell_worker(path, WorkerWord::kEnd, {}).error().code, base::Code::kNotFound);
  base::Fd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  auto read = [&] {
    base::Fd one(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return read_worker_message(one.get(), base::monotonic_now() + base::kSecond);
  };
  ASSERT_TRUE(tell_worker(path, WorkerWord::kEnd, wire::bytes_of("why")).ok());
  auto end = read();
  ASSERT_TRUE(end.ok()) << end.error().message;
  EXPECT_EQ(wire::text_of(wire::Bytes(end->body)), "why");
  ASSERT_TRUE(tell_worker(path, WorkerWord::kConnection, {}, &listener).ok());
  auto connection = read();
  ASSERT_TRUE(connection.ok()) << connection.error().message;
  EXPECT_TRUE(connection->connection.valid());
  // A connection without a descriptor, and a descriptor where none belongs.
  ASSERT_TRUE(tell_worker(path, WorkerWord::kConnection, {}).ok());
  EXPECT_FALSE(read().ok());
  ASSERT_TRUE(tell_worker(path, WorkerWord::kLease, wire::bytes_of("x"), &listener).ok());
  EXPECT_FALSE(read().ok());
  std::filesystem::remove_all(folder);
}

TEST(Knock, DoorsOfAFolder) {
  EXPECT_EQ(doors_of("door:/a/b"), std::vector<std::string>{"door:/a/b"});
  std::string folder = (std::filesystem::temp_directory_path() / "flexai-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  EXPECT_EQ(doors_of("doors:" + folder), std::vector<std::string>{"door:" + folder + "/*/door"});
  for (const char* name : {"b", "a", "closed", ".hidden"})
    std::filesystem::create_directory(folder + "/" + name);
  for (const char* name : {"b", "a", ".hidden"}) {
    auto listener =
        wire::listen_socket({wire::Carrier::kUnix, folder + "/" + name + "/door", 0, ""});
    EXPECT_TRUE(listener.ok());
  }
  EXPECT_EQ(doors_of("doors:" + folder),
            (std::vector<std::string>{"door:" + folder + "/a/door", "door:" + folder + "/b/door"}));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace flexai::remote
