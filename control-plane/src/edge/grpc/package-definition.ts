/**
 * gRPC definitions from the contracts' descriptors: no .proto file is read at run time.
 */
import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { loadPackageDefinition } from "@grpc/grpc-js";
import type { ReflectionService } from "@grpc/reflection";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";

export type PackageDefinition = Parameters<typeof loadPackageDefinition>[0];

/** A service and which of its methods a port offers; all of them when none are named. */
export interface Offer {
  readonly service: DescService;
  readonly methods?: readonly string[];
}

/** What a port offers, for grpc-js: methods by their own names. */
export function packageDefinition(offers: readonly Offer[]): PackageDefinition {
  const definition: PackageDefinition = {};
  for (const { service, methods } of offers) {
    const all = toServiceDefinition(service);
    const offered: Record<string, (typeof all)[string]> = {};
    for (const method of service.methods) {
      const made = all[method.localName];
      if (made !== undefined && (methods?.includes(method.name) ?? true)) offered[method.name] = made;
    }
    definition[service.typeName] = offered;
  }
  return definition;
}

/** The packages of the services offered. */
export function packagesOf(offers: readonly Offer[]): string[] {
  return [...new Set(offers.map(({ service }) => service.file.proto.package))];
}

/**
 * The files that describe the services, imports first, as the reflection service wants them: hung on one entry that
 * names no message in use.
 */
export function reflectionRoot(offers: readonly Offer[]): ConstructorParameters<typeof ReflectionService>[0] {
  const files = new Map<string, Buffer>();
  const visit = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    for (const needed of file.dependencies) visit(needed);
    files.set(file.proto.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  };
  for (const { service } of offers) visit(service.file);
  return {
    files: {
      format: "Protocol Buffer 3 DescriptorProto",
      type: {},
      fileDescriptorProtos: [...files.values()],
    },
  };
}
