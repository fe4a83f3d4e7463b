/** Both servers and both channels, each with itself and with the other: they speak one protocol. */
import { connect } from '../../src/grpc/channel.ts';
import { connectLean } from '../../src/grpc/lean/lean-channel.ts';
import { LeanServer } from '../../src/grpc/lean/lean-server.ts';
import { GrpcServer } from '../../src/grpc/server.ts';

export const SERVERS = [
  { name: 'grpc-js', Server: GrpcServer },
  { name: 'lean', Server: LeanServer },
] as const;

export const TRANSPORTS = [
  { name: 'grpc-js', Server: GrpcServer, connect },
  { name: 'lean', Server: LeanServer, connect: connectLean },
  { name: 'lean server, channel of grpc-js', Server: LeanServer, connect },
  { name: 'server of grpc-js, lean channel', Server: GrpcServer, connect: connectLean },
] as const;
