export {
  ArtifactStore,
  isLostArtifact,
  type ArtifactSource,
  type KeptArtifact,
  type StoredArtifact,
} from './artifact.store.ts';
export { FolderStore } from './folder.store.ts';
export { openArtifacts, type ArtifactSettings } from './open-artifacts.ts';
