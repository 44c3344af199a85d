// Connections of callers as httplib wants them, with a bound on what one request may send and how
// long it may take. Threads: one at a time. For .cc files only (heavy).
#pragma once

#include <httplib.h>

#include "base/clock.h"
#include "wire/transport.h"

namespace flexai::agent {

class CallerStream : public httplib::Stream {
 public:
  virtual bool hung_up() = 0;  // the caller has gone
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
};

// A connected socket; borrowed.
class SocketStream final : public CallerStream {
 public:
  explicit SocketStream(int fd);
  bool hung_up() override;
  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  int socket() const override { return fd_; }

 private:
  bool wait(short events, base::Nanos deadline) const;
  int fd_;
  base::Nanos deadline_;
  size_t taken_ = 0;
};

class TransportStream final : public CallerStream {
 public:
  explicit TransportStream(wire::Transport& transport);
  bool hung_up() override;
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  int socket() const override { return -1; }

 private:
  wire::Transport& transport_;
  base::Nanos deadline_;
  size_t taken_ = 0;
};

}  // namespace flexai::agent
